"""What every space with plans keeps to: a plan costs what the network costs."""

import random

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed, options

from nascli.core.space import Planned, sample
from nascli.costs.count import count
from nascli.costs.extremes import extremes
from nascli.costs.plans import PlanCounter


@pytest.fixture(params=options("space"))
def space(request):
    name = request.param
    config = composed("strategy=random", f"space={name}", *TINY, *TINY_SPACE[name])
    faults = build.Faults()
    made = build.problem(config, faults)
    faults.check()
    if not isinstance(made.space, Planned):
        pytest.skip("its networks are built to be counted")
    return made.space


def test_a_plan_costs_what_its_network_costs(space):
    counter, rng = PlanCounter(space), random.Random(0)
    for genotype in [sample(space, rng) for _ in range(10)]:
        with torch.device("meta"):
            network = space.network(genotype)
        assert counter(genotype) == count(network, tuple(space.task.input_shape))


def test_no_genotype_is_beyond_what_is_proved(space):
    counter, rng = PlanCounter(space), random.Random(0)
    found = extremes(space, counter)
    counts = [counter(sample(space, rng)) for _ in range(200)]
    for metric, ends in found.items():
        least, largest = (getattr(counter(genotype), metric) for genotype in ends)
        assert all(least <= getattr(c, metric) <= largest for c in counts)
