"""Costs of the network that is deployed, where another size is searched on."""

import pytest
from fixtures import TINY, TINY_SPACE, build, composed

from nascli.core.fault import Fault
from nascli.core.space import at
from nascli.core.trial import Proposal
from nascli.costs.plans import PlanCounter
from nascli.costs.within import Within
from nascli.estimators.costs import Costs
from nascli.gradient.additive import AdditiveCost

WORDS = ("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"])
DEPLOY = "deploy={channels: 8, cells_per_stage: 3, image: 20}"
ADDED = ("+deploy.channels=8", "+deploy.cells_per_stage=3", "+deploy.image=20")


def as_deployed():
    """The same space at the sizes of DEPLOY, made by hand."""
    words = ("space=nasbench201", *TINY, "training.network.nasbench201.channels=8")
    words += ("training.network.nasbench201.cells_per_stage=3", "data.size=20")
    return build.stated(composed(*words)).space


def test_costs_constraints_and_pressures_are_of_the_deployed_network():
    stated = build.stated(composed(*WORDS, *ADDED, "+constraints.macs=1"))
    there, here = as_deployed(), stated.space
    assert here.plan().input_shape[1:] == (8, 8) and there.plan().input_shape[1:] == (20, 20)
    for number in (0, 5_000, 15_624):
        genotype = at(here, number)
        right, small = PlanCounter(there)(genotype), PlanCounter(here)(genotype)
        found = Costs(stated).estimate(Proposal(genotype))
        assert (found["params"], found["macs"]) == (right.params, right.macs)
        assert found["peak_memory_mb"] == right.peak_memory_mb
        assert small.macs < right.macs
        assert Within(stated)._excess(genotype) == pytest.approx(right.macs - 1)
    bare = PlanCounter(there)(at(there, 0)).macs  # all edges are `none`
    assert AdditiveCost(stated, "macs", "me").fixed == bare


def test_a_search_says_both_sizes_and_the_next_command_trains_the_deployed_one(nas):
    words = (*WORDS, "strategy=random", "estimator=zero_cost", "estimator.scores=[synflow]")
    done = nas("search", *words, "budget.trials=2", "data.images=96", DEPLOY)
    assert done.code == 0, done.stderr
    assert "channels 8, cells per stage 3" in done.stderr
    assert "searched on smaller networks, for synthetic (3x8x8" in done.stderr
    (following,) = [line for line in done.stderr.splitlines() if line.startswith("next:")]
    assert following.endswith("space.channels=8 space.cells_per_stage=3")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("+deploy.chanels=8",),
            "size in deploy 'chanels' is not known; .* did you mean 'channels'",
        ),
        (("+deploy.channels=0",), "deploy.channels is 0; it must be a whole number above 0"),
        (("+deploy.image=big",), "deploy.image is 'big'; it must be a whole number above 0"),
        (
            ("+deploy.channels=8", "estimator=table"),
            "tells costs of its own networks; leave deploy",
        ),
    ],
)
def test_sizes_that_are_none_are_faults(words, says):
    with pytest.raises(Fault, match=says):
        build.stated(composed(*WORDS, *words))
