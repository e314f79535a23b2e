"""The sandwich: its ends against a look at every genotype."""

from __future__ import annotations

import pytest
from elastic import chain
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.space import at, size
from nascli.costs.cost import Cost
from nascli.costs.extremes import extremes, sizes
from nascli.costs.plans import PlanCounter
from nascli.samplers.sandwich import Sandwich


def by_size(space, most=None):
    """Every genotype without `none`, from the fewest multiply-adds on."""
    counter = PlanCounter(space)
    every = (at(space, number) for number in range(most or size(space)))
    costs = {g: counter(g) for g in every if "none" not in g.options}
    return sorted(costs, key=lambda g: (costs[g].macs, costs[g].params)), costs


def test_the_largest_comes_first_then_the_smallest_then_random_ones():
    space = chain()
    ranked, costs = by_size(space)
    paths = Sandwich(space.supernet(), 0, random=3).paths(0.0)
    assert len(paths) == 5
    assert [paths[0], paths[1]] == [ranked[-1], ranked[0]]
    assert costs[paths[0]].macs > 2 * costs[paths[1]].macs


def test_random_ones_are_uniform():
    space = chain()
    sandwich, seen = Sandwich(space.supernet(), 0, random=1), set()
    for _ in range(200):
        seen.add(sandwich.paths(0.0)[2])
    assert len(seen) == 27  # of 27: the chance to miss one is below 27 * (26/27)^200 = 0.014


def test_the_smallest_cell_lets_something_through():
    made = instantiate(composed("space=nasbench201").space, _partial_=True)
    space = made(ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1)
    largest, smallest, *_ = Sandwich(space.supernet(), 0).paths(0.0)
    assert set(largest.options) == {"nor_conv_3x3"}
    assert "none" not in smallest.options
    assert PlanCounter(space)(smallest).macs == PlanCounter(space)(by_size(space)[0][0]).macs


def test_inputs_that_are_kept_are_the_ones_that_cost_most_or_least():
    made = instantiate(composed("space=cell").space, _partial_=True)
    space = made(ToyTask(input_shape=(3, 8, 8)), channels=2, cells=3, nodes=2)
    counter, supernet = PlanCounter(space), space.supernet()
    least, most = extremes(space, counter)["macs"]  # which has another proof of them
    assert counter(supernet.largest()).macs == counter(most).macs
    assert counter(supernet.smallest()).macs == counter(least).macs


def test_multiply_adds_decide_and_parameters_only_between_equals():
    """A pool and a skip connection of NAS-Bench-201 have none of either, a convolution both."""
    made = instantiate(composed("space=nasbench201").space, _partial_=True)
    plan = made(ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1).plan()

    class Counter:
        def layer(self, layer):
            macs = {"nor_conv_1x1": 5, "nor_conv_3x3": 4}.get(layer.operation, 1)
            return Cost(len(layer.operation), macs, 0, 0)

    (row, *others) = sizes(plan, Counter())
    names = plan.choices[0].options
    assert all(other == row for other in others) and len(others) == 5
    cells = 3  # an edge has a place in each
    assert {name: int(size) for name, size in zip(names, row, strict=True)} == {
        "none": 0, "skip_connect": cells, "nor_conv_1x1": 5 * cells, "nor_conv_3x3": 4 * cells,
        "avg_pool_3x3": cells,
    }  # fmt: skip
    fractions = {name: size % 1 for name, size in zip(names, row, strict=True)}
    params = {name: cells * len(name) for name in names if name != "none"}
    assert fractions == {"none": 0.0, **{n: pytest.approx(p / (1 + p)) for n, p in params.items()}}


def test_what_makes_no_sense_is_refused():
    with pytest.raises(Fault, match="sampler.random is -1; it must be at least 0"):
        Sandwich(chain().supernet(), 0, random=-1)

    class Bare:
        choices = ()

    with pytest.raises(Fault, match=r"Bare has no largest\(\) and smallest\(\); take uniform"):
        Sandwich(Bare(), 0)
