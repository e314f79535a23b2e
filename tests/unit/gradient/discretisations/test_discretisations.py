"""Genotypes from supernets whose losses are made up, so that the right answer is known."""

import random
from types import SimpleNamespace

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.randomness import seed_of
from nascli.core.space import sample
from nascli.core.supernet import Mixture
from nascli.gradient.discretisations.best_path import BestPath
from nascli.gradient.discretisations.perturbed import Perturbed
from nascli.gradient.discretisations.skip_limit import SkipLimit
from nascli.gradient.discretisations.strongest import Strongest
from nascli.gradient.readout import skips


def space_of(name, **settings):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 8, 8)), **settings)


CELL = space_of("cell", channels=2, cells=3)
CELLS = CELL.supernet()
BENCH = space_of("nasbench201", channels=2, cells_per_stage=1)
BENCHES = BENCH.supernet()


def trained(supernet, strengths, loss=lambda mixture: 0.0):
    """A supernet under a mixture of those strengths; `tuned` lists what it was tuned under."""
    tuned = []
    return SimpleNamespace(
        supernet=supernet,
        derive=supernet.derive,
        nearest=lambda genotype: genotype,
        relaxation=SimpleNamespace(expected=lambda: Mixture(strengths.clone())),
        epoch=1,
        loss=loss,
        tune=lambda mixture, share: tuned.append((mixture, share)),
        adapt=lambda decided, share, done: tuned.append((decided(Mixture(strengths)), share, done)),
        tuned=tuned,
    )


def strengths_with(supernet, option, value, seed=0):
    generator = torch.Generator().manual_seed(seed)
    strengths = torch.rand(len(supernet.choices), 8, generator=generator) / 2
    strengths = strengths[:, : len(supernet.choices[0].options)].contiguous()
    strengths[:, supernet.choices[0].options.index(option)] += value
    return strengths


def test_strongest_is_the_supernets_own_rule():
    strengths = strengths_with(CELLS, "sep_conv_3x3", 0.1)
    assert Strongest(None)(trained(CELLS, strengths)) == CELLS.derive(strengths)


@pytest.mark.parametrize("most", [0, 2, 5])
def test_normal_cells_have_at_most_so_many_skips(most):
    strengths = strengths_with(CELLS, "skip_connect", 1.0)
    before = strengths.clone()
    assert skips(CELLS, CELLS.derive(strengths)) == {"normal": (8, 8), "reduction": (8, 8)}
    genotype = SkipLimit(None, most)(trained(CELLS, strengths))
    assert skips(CELLS, genotype) == {"normal": (most, 8), "reduction": (8, 8)}
    assert torch.equal(strengths, before)


def test_the_strongest_skips_stay():
    strengths = strengths_with(BENCHES, "skip_connect", 1.0)
    column = BENCHES.choices[0].options.index("skip_connect")
    genotype = SkipLimit(None, 2)(trained(BENCHES, strengths))
    best = strengths[:, column].argsort(descending=True)[:2].tolist()
    there = [n for n, option in enumerate(genotype.options) if option == "skip_connect"]
    assert there == sorted(best)


def test_few_skips_are_left_alone():
    strengths = strengths_with(CELLS, "sep_conv_5x5", 1.0)
    assert SkipLimit(None)(trained(CELLS, strengths)) == CELLS.derive(strengths)


def test_what_a_stage_dropped_does_not_come_back_for_a_skip():
    strengths = torch.zeros(6, 5)
    strengths[:, 1] = 1.0  # skip_connect
    active = [(1,)] * 4 + [(1, 3)] * 2  # four edges have nothing else
    made = trained(BENCHES, strengths)
    made.relaxation.expected = lambda: Mixture(strengths, tuple(active))
    genotype = SkipLimit(None, 1)(made)
    assert genotype.options == ("skip_connect",) * 4 + (BENCHES.choices[0].options[3],) * 2


def test_the_best_path_is_the_one_of_least_loss():
    problem = Problem(space=BENCH, task=None, recipe=None, seed=4)
    generator = random.Random(seed_of(4, "candidates", 1))
    drawn = [sample(BENCH, generator) for _ in range(10)]
    losses = {tuple(map(tuple, BENCHES.path(g).weights.tolist())): n for n, g in enumerate(drawn)}

    def loss(mixture):
        number = losses[tuple(map(tuple, mixture.weights.tolist()))]
        return abs(number - 6)

    found = BestPath(problem, candidates=10)(trained(BENCHES, torch.rand(6, 5), loss))
    assert found == drawn[6]


def wanting(genotype, supernet):
    """A loss that grows with what of `genotype` is missing from a mixture, by known amounts."""
    wanted = supernet.path(genotype).weights

    def loss(mixture):
        there = (mixture.weights > 0).float()
        amounts = 1.0 + torch.arange(len(wanted))[:, None] / 100
        return float((wanted * (1 - there) * amounts).sum())

    return loss


def test_what_the_supernet_can_least_do_without_is_kept():
    for space, supernet in ((BENCH, BENCHES), (CELL, CELLS)):
        drawn = (sample(space, random.Random(seed)) for seed in range(100))
        genotype = next(g for g in drawn if "none" not in g.options)
        made = trained(
            supernet,
            torch.full((len(supernet.choices), len(supernet.choices[0].options)), 0.1),
            wanting(genotype, supernet),
        )
        problem = Problem(space=space, task=None, recipe=None, seed=1)
        assert Perturbed(problem, tuning=0.5)(made) == genotype
        assert len(made.tuned) == len(supernet.choices)
        mixture, share = made.tuned[-1]
        assert share == 0.5
        assert all(len(numbers) == 1 for numbers in mixture.active)
        assert (mixture.weights.sum(1) == 1).all()


@pytest.mark.parametrize(("space", "supernet"), [(BENCH, BENCHES), (CELL, CELLS)])
def test_by_the_published_rule_options_are_decided_first_and_then_the_edges_of_every_node(
    space, supernet
):
    drawn = (sample(space, random.Random(seed)) for seed in range(100))
    genotype = next(g for g in drawn if "none" not in g.options)
    width = len(supernet.choices[0].options)
    made = trained(
        supernet,
        torch.full((len(supernet.choices), width), 0.1),
        wanting(genotype, supernet),
    )
    problem = Problem(space=space, task=None, recipe=None, seed=1)
    assert Perturbed(problem, tuning=0.5, rule=2)(made) == genotype
    edges = len(supernet.choices)
    targets = [(edge.group, edge.target) for edge in supernet.choices]
    nodes = sum(targets.count(target) > 1 for target in set(targets))
    assert len(made.tuned) == edges + nodes
    open_edges = [sum(len(a) == width for a in mixture.active) for mixture, *_ in made.tuned]
    assert open_edges == [*range(edges - 1, -1, -1), *[0] * nodes]
    there = [sum(map(bool, mixture.active)) for mixture, *_ in made.tuned]
    assert there[:edges] == [edges] * edges
    assert there[-1] == sum(map(bool, supernet.path(genotype).active))
    assert there == sorted(there, reverse=True)
    assert [done for *_, done in made.tuned] == [n / len(made.tuned) for n in range(edges + nodes)]


def test_edges_go_one_by_one_for_one_may_stand_in_for_another():
    """Two edges do for each other: ranked once both look useless, one by one the second is not."""
    edges = enumerate(CELLS.choices)
    node = [row for row, edge in edges if (edge.group, edge.target) == ("normal", 4)]
    first, second, third, fourth = node

    def loss(mixture):
        there = [bool(mixture.weights[row].any()) for row in node]
        return 3.0 * (not (there[0] or there[1])) + 1.0 * (not there[2]) + 0.5 * (not there[3])

    strengths = torch.full((len(CELLS.choices), 8), 0.1)
    strengths[:, 2:] = 0.0
    kept = {}
    for rule in (1, 2):
        problem = Problem(space=CELL, task=None, recipe=None, seed=1)
        genotype = Perturbed(problem, tuning=0.0, rule=rule)(trained(CELLS, strengths, loss))
        active = CELLS.path(genotype).active
        kept[rule] = {row for row in node if active[row]}
    assert kept[1] == {third, fourth}
    assert third in kept[2] and kept[2] & {first, second}


def test_none_is_not_chosen_and_tuning_may_be_left_out():
    problem = Problem(space=BENCH, task=None, recipe=None)
    made = trained(BENCHES, torch.full((6, 5), 0.2), lambda m: -float(m.weights[:, 0].sum()))
    assert "none" not in Perturbed(problem, tuning=0.0)(made).options
    assert made.tuned == []


@pytest.mark.parametrize(
    ("make", "settings", "says"),
    [
        (SkipLimit, {"most": -1}, "strategy.discretisation.most is -1; it must be at least 0"),
        (BestPath, {"candidates": 0}, "strategy.discretisation.candidates is 0; it must be at"),
        (Perturbed, {"tuning": -1.0}, "strategy.discretisation.tuning is -1.0; it must be at"),
        (Perturbed, {"rule": 3}, "strategy.discretisation.rule is 3; it must be 1 or 2"),
    ],
)
def test_values_out_of_range_are_faults(make, settings, says):
    with pytest.raises(Fault, match=says):
        make(Problem(space=BENCH, task=None, recipe=None), **settings)
