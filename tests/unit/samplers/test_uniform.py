"""Uniform paths, against the chances that they are to have."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.samplers.uniform import Uniform


def test_the_paths_trained_are_those_that_random_search_draws_none_included():
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(
        ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1
    )
    uniform = instantiate(composed("strategy=random_ws").strategy.sampler)(space.supernet(), seed=0)
    drawn = [uniform.paths(0.0)[0] for _ in range(1000)]
    for edge, options in space.decisions.items():
        counts = Counter(genotype.choices[edge] for genotype in drawn)
        bound = 5 * (0.2 * 0.8 / 1000) ** 0.5
        assert all(abs(counts[option] / 1000 - 0.2) < bound for option in options)
    pairs = Counter(genotype.options[:2] for genotype in drawn)  # one edge says nothing of another
    assert len(pairs) == 25
    assert max(pairs.values()) / 1000 < 0.04 + 5 * (0.04 * 0.96 / 1000) ** 0.5
    earlier = Uniform(space.supernet(), seed=0)  # as a recorded config without a rule says
    assert not any("none" in earlier.paths(0.0)[0].options for _ in range(100))


def test_a_rule_that_there_is_not_is_a_fault():
    with pytest.raises(Fault, match="the rule of the uniform sampler is 3; it must be 1 or 2"):
        Uniform(None, seed=0, rule=3)


@pytest.mark.parametrize("rule", [1, 2])
def test_what_is_drawn_follows_from_the_seed_and_not_from_what_else_draws(rule):
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(
        ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1
    )
    supernet = space.supernet()

    def drawn(seed, other):
        torch.manual_seed(other)
        uniform = Uniform(supernet, seed=seed, rule=rule)
        return [uniform.paths(0.0)[0] for _ in range(5)]

    assert drawn(0, 1) == drawn(0, 2) != drawn(1, 1)


@pytest.mark.parametrize("rule", [1, 2])
def test_all_genotypes_have_the_same_chance(rule):
    space = instantiate(composed("space=cell").space, _partial_=True)(
        ToyTask(input_shape=(3, 8, 8)), channels=2, cells=3, nodes=2
    )
    supernet = space.supernet()
    uniform = Uniform(supernet, seed=0, rule=rule)
    counts = torch.zeros(len(supernet.choices), 8)
    for _ in range(400):
        (genotype,) = uniform.paths(0.0)
        mixture = supernet.path(genotype)
        counts += mixture.weights
        assert sum(map(len, mixture.active)) == 8  # two inputs for each of two nodes, two cells
    edges = {edge.name: row for edge, row in zip(supernet.choices, counts, strict=True)}
    # the first node always has both inputs; the second two of three; seven options each
    assert edges["normal/2<-0"].sum() == 400
    for name, share in (("normal/2<-1", 1 / 7), ("normal/3<-2", 2 / 21)):
        bound = 5 * (share * (1 - share) / 400) ** 0.5
        assert torch.allclose(edges[name][1:] / 400, torch.full((7,), share), atol=bound)
        assert edges[name][0] == 0  # none
