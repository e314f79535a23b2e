"""Proved extremes against looking at every genotype."""

import dataclasses
import random

import pytest
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.space import at, sample, size
from nascli.costs.extremes import extremes
from nascli.costs.plans import PlanCounter

METRICS = ("params", "macs", "flops")


def operations(*names):
    config = composed(f"operation@space.operations=[{','.join(names)}]", "space=cell")
    return {name: dict(config.space.operations[name]) for name in names}


def space_of(name, shape, names=(), **settings):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    if names:
        settings["operations"] = operations(*names)
    return make(ToyTask("toy", shape, 3), **settings)


TINY = [
    ("cell", {"cells": 2, "nodes": 1}),
    ("cell", {"cells": 1, "nodes": 1, "stem": "imagenet"}),
    ("cell", {"cells": 4, "nodes": 1, "names": ("none", "skip_connect", "dil_conv_3x3")}),
    ("cell", {"cells": 2, "nodes": 2, "names": ("none", "skip_connect", "sep_conv_3x3")}),
    ("cell", {"cells": 3, "nodes": 2, "names": ("sep_conv_3x3", "none")}),
    ("cell", {"cells": 2, "nodes": 3, "names": ("dil_conv_5x5", "max_pool_3x3")}),
    ("nasbench201", {"cells_per_stage": 1, "names": ("none", "skip_connect", "nor_conv_3x3")}),
    ("nasbench201", {"cells_per_stage": 2, "names": ("nor_conv_1x1", "nor_conv_3x3")}),
]


@pytest.mark.parametrize(("name", "settings"), TINY, ids=str)
@pytest.mark.parametrize("shape", [(1, 32, 35), (3, 33, 33)], ids=str)
def test_they_are_those_of_all_genotypes(name, settings, shape):
    space = space_of(name, shape, channels=3, **settings)
    counter = PlanCounter(space)
    numbers = range(size(space))
    if size(space) > 2500:  # some of them, and one mutation from each end: none is beyond
        numbers = random.Random(0).sample(numbers, 2500)
    counts = [counter(at(space, number)) for number in numbers]
    found = extremes(space, counter)
    assert set(found) == set(METRICS)
    for metric, (least, most) in found.items():
        values = [getattr(c, metric) for c in counts]
        ends = getattr(counter(least), metric), getattr(counter(most), metric)
        if len(numbers) == size(space):
            assert ends == (min(values), max(values))
        assert ends[0] <= min(values) <= max(values) <= ends[1]


def test_the_closed_form_of_nasbench201():
    # Dong and Yang (2020): nothing but stem, reductions and classifier; 3x3 convolutions everywhere
    space = space_of("nasbench201", (3, 32, 32))
    space = type(space)(ToyTask("toy", (3, 32, 32), 10), space.operations)
    counter = PlanCounter(space)
    found = extremes(space, counter)
    assert [counter(g).params for g in found["params"]] == [73_306, 1_531_546]
    assert [counter(g).macs for g in found["macs"]] == [7_783_050, 220_119_690]


class Tied:
    """A space whose decisions are fewer than the choices of its plan: one operation everywhere."""

    name = "tied"

    def __init__(self, space):
        self._space, self.operations, self.task = space, space.operations, space.task
        self.decisions = {"everywhere": tuple(space.operations)}

    def _whole(self, genotype):
        option = genotype["everywhere"]
        whole = sample(self._space, random.Random(0))
        return dataclasses.replace(whole, options=(option,) * len(whole.options))

    def plan(self, genotype=None):
        return self._space.plan(genotype and self._whole(genotype))

    def taken(self, genotype):
        return self._space.taken(self._whole(genotype))

    def network(self, genotype):
        return self._space.network(self._whole(genotype))

    def canonical(self, genotype):
        return genotype

    def layers(self):
        return self._space.layers()

    def describe(self, genotype):
        return str(genotype)


class TiedDerivable(Tied):
    def derive(self, strengths):
        option = self._space.derive(strengths).options[0]
        return dataclasses.replace(at(self, 0), options=(option,))


def test_nothing_is_proved_without_a_genotype_that_has_it():
    whole = space_of("nasbench201", (3, 32, 32), ("none", "nor_conv_3x3"), cells_per_stage=1)
    assert extremes(Tied(whole), PlanCounter(Tied(whole))) == {}
    tied = TiedDerivable(whole)
    counter = PlanCounter(tied)
    # Here the ends are of one operation anyway, so they are proved; with a free choice they are not
    assert [counter(g).params for g in extremes(tied, counter)["params"]] == [
        counter(at(tied, n)).params for n in range(2)
    ]

    class Never(TiedDerivable):
        def derive(self, strengths):
            return at(self, 0)

    assert extremes(Never(whole), PlanCounter(Never(whole))) == {}
