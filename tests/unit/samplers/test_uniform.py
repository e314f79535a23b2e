"""Uniform paths, against the chances that they are to have."""

from __future__ import annotations

import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.samplers.uniform import Uniform


def test_all_genotypes_have_the_same_chance():
    space = instantiate(composed("space=cell").space, _partial_=True)(
        ToyTask(input_shape=(3, 8, 8)), channels=2, cells=3, nodes=2
    )
    supernet = space.supernet()
    uniform = Uniform(supernet, seed=0)
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
