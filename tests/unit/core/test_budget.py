import pytest

from nascli.core.budget import Budget, OutOfTime
from nascli.core.fault import Fault


def test_free_trials_do_not_count_but_are_bounded():
    budget = Budget(trials=2, proposals=5)
    for _ in range(3):
        budget.charge(0)
    assert budget.left(0) == 2
    budget.charge(1)
    assert budget.left(0) == 1
    budget.charge(0)
    assert budget.left(0) == 0


def test_proposals_are_bounded_without_a_number_of_trials():
    budget = Budget(proposals=2)
    budget.charge(1)
    assert budget.left(0) == 1
    budget.charge(0)
    assert budget.left(0) == 0


def test_what_is_under_way_is_not_given_out_twice():
    assert Budget(trials=3).left(2) == 1
    assert Budget(trials=3).left(3) == 0


def test_time_runs_on_over_a_resume():
    budget = Budget(seconds=100.0)
    assert budget.left(0) > 0
    budget.start(seconds_before=100.0)
    assert budget.left(0) == 0


@pytest.mark.parametrize("name", ["trials", "seconds", "proposals"])
@pytest.mark.parametrize("value", [0, -1, "many"])
def test_a_budget_that_allows_nothing_is_a_fault(name, value):
    with pytest.raises(Fault, match=rf"budget.{name} is {value!r}; it must be a .*number above 0"):
        Budget(**{name: value})


def test_half_a_trial_is_a_fault():
    with pytest.raises(Fault, match="whole number"):
        Budget(trials=1.5)


def test_a_low_fidelity_counts_as_its_share():
    budget = Budget(trials=2)
    for _ in range(20):
        budget.charge(0.06)
    assert budget.used == pytest.approx(1.2)
    assert budget.left(0) == 1
    for _ in range(10):
        budget.charge(0.08)
    assert budget.left(0) == 0


def test_low_fidelities_under_way_are_worth_their_share():
    assert Budget(trials=1).left(4, worth=0.24) == 1
    assert Budget(trials=2).left(4, worth=0.24) == 2
    assert Budget(trials=2, proposals=5).left(4, worth=0.24) == 1


def test_a_step_is_not_begun_once_the_time_is_over():
    Budget().check()
    budget = Budget(seconds=100.0)
    budget.check()
    assert 99 < budget.seconds_left <= 100
    budget.start(seconds_before=100.0)
    assert budget.seconds_left == 0
    with pytest.raises(OutOfTime):
        budget.check()
    assert not issubclass(OutOfTime, Exception)  # or else it would be the error of a trial
