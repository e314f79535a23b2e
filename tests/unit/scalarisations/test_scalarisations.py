"""Expected values from the formulas of the papers."""

import pytest

from nascli.core.fault import Fault
from nascli.core.goal import Objective
from nascli.scalarisations.mnasnet import MnasNet
from nascli.scalarisations.penalty import Penalty

ACCURACY, ERROR = Objective("accuracy", "max"), Objective("error", "min")


def metrics(latency):
    return {"accuracy": 80.0, "error": 20.0, "latency_ms": latency}


@pytest.mark.parametrize("latency", [5.0, 10.0, 20.0])
def test_mnasnet_soft(latency):
    soft = MnasNet("latency_ms", 10.0, -0.07, -0.07)
    expected = -80.0 * (latency / 10.0) ** -0.07
    assert soft.loss(ACCURACY, metrics(latency)) == pytest.approx(expected)


def test_doubling_the_latency_costs_five_percent_of_accuracy():
    """What the paper chose w = -0.07 for (section 3.1)."""
    soft = MnasNet("latency_ms", 10.0, -0.07, -0.07)
    slow = soft.loss(ACCURACY, {"accuracy": 80.0 * 1.05, "latency_ms": 20.0})
    fast = soft.loss(ACCURACY, {"accuracy": 80.0, "latency_ms": 10.0})
    assert slow == pytest.approx(fast, rel=1e-3)


def test_mnasnet_hard():
    hard = MnasNet("latency_ms", 10.0, 0.0, -1.0)
    assert hard.loss(ACCURACY, metrics(5.0)) == -80.0
    assert hard.loss(ACCURACY, metrics(20.0)) == -40.0


def test_a_dear_network_is_worse_also_where_the_objective_is_to_shrink():
    soft = MnasNet("latency_ms", 10.0, -0.07, -0.07)
    assert soft.loss(ERROR, metrics(20.0)) == pytest.approx(20.0 * 2**0.07)


def test_penalty():
    penalty = Penalty("latency_ms", 10.0, 100.0)
    assert penalty.loss(ACCURACY, metrics(9.0)) == -80.0
    assert penalty.loss(ACCURACY, metrics(11.0)) == pytest.approx(-80.0 + 10.0)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: MnasNet("latency_ms", 0.0, 0.0, 0.0), "scalarisation.target is 0.0"),
        (lambda: MnasNet("latency_ms", 1.0, 0.1, 0.0), "scalarisation.below is 0.1; it must be at"),
        (lambda: Penalty("latency_ms", 1.0, 0.0), "scalarisation.weight is 0.0; it must be above"),
    ],
)
def test_settings_that_make_no_sense_are_faults(build, says):
    with pytest.raises(Fault, match=says):
        build()
