"""What networks cost, and whether constraints can be met, on spaces whose answer is known."""

import pytest

from nascli.core.goal import Constraint
from nascli.core.space import at, size
from nascli.core.survey import survey


@pytest.fixture
def wide(toy):
    """Ten decisions of four options, a million genotypes."""
    toy.decisions = {f"d{i}": tuple("0123") for i in range(10)}
    return toy


def price(genotype):
    """Adds up over the decisions, each with a weight of its own."""
    digits = list(map(int, genotype.options))
    return {
        "params": 10.0 + sum((n + 1) * d for n, d in enumerate(digits)),
        "macs": float(sum(digits)),
    }


def test_a_small_space_is_looked_at_whole(toy):
    found = survey(toy, price, 0, samples=2, exact=12)
    assert found.exact
    assert len(found.looked) == size(toy)
    values = sorted(price(at(toy, n))["params"] for n in range(12))
    assert found.range("params") == (values[0], (values[5] + values[6]) / 2, values[-1])
    assert found.keep([Constraint("macs", 0.5)]) == 1 / 12


def test_extremes_of_costs_that_add_up_are_found(wide):
    found = survey(wide, price, 0, samples=48)
    assert not found.exact
    least, median, most = found.range("params")
    assert (least, most) == (10.0, 10.0 + 3 * 55)
    # mean 10 + 1.5 * 55 = 92.5, deviation of one draw sqrt(1.25 * 385) = 21.9, of a median of 48
    # about 1.25 * 21.9 / sqrt(48) = 4; four of them
    assert abs(median - 92.5) < 16
    assert len(found.looked) < 60


@pytest.mark.parametrize("bound", [10.0, 12.0])
def test_a_narrow_constraint_is_met_by_descent(wide, bound):
    found = survey(wide, price, 1, samples=4)
    excess, genotype = found.nearest([Constraint("params", bound)])
    assert excess == 0
    assert price(genotype)["params"] <= bound


def test_an_impossible_constraint_says_how_near_one_gets(wide):
    found = survey(wide, price, 0, samples=48)
    excess, genotype = found.nearest([Constraint("params", 5.0)])
    assert excess == pytest.approx(1.0)  # 10 is twice 5
    assert set(genotype.options) == {"0"}


def test_the_seed_decides(wide):
    first, again, other = (list(survey(wide, price, s, samples=5).looked) for s in (0, 0, 1))
    assert first == again != other


def test_proved_extremes_are_looked_at_and_taken_for_certain(wide):
    ends = at(wide, 0), at(wide, size(wide) - 1)
    found = survey(wide, price, 0, samples=30, proved={"params": ends})
    assert found.range("params")[::2] == (10.0, 175.0)
    assert found.certain("params") and not found.certain("macs")
    assert found.range("macs")[::2] == (0.0, 30.0)  # by the linear fit
    assert found.impossible(Constraint("params", 9.9))
    assert not found.impossible(Constraint("params", 10.0))
    assert not found.impossible(Constraint("macs", -1.0))  # true, but not proved
    looked = len(found.looked)
    assert found.nearest([Constraint("params", 5.0)]) == (1.0, ends[0])
    assert len(found.looked) == looked


def test_extremes_are_found_with_more_samples_than_options(wide):
    found = survey(wide, price, 0, samples=300)
    assert found.range("params")[::2] == (10.0, 175.0)
    assert found.range("macs")[::2] == (0.0, 30.0)


@pytest.mark.parametrize("most", [60, 90])
def test_a_descent_ends_after_so_many(wide, most):
    found = survey(wide, price, 0, samples=48, most=most)
    both = [Constraint("params", 10.0), Constraint("fewer", 1.0)]
    found.costs = lambda genotype: {**price(genotype), "fewer": 1e3 + genotype.options.count("1")}
    found.looked = {genotype: found.costs(genotype) for genotype in found.looked}
    assert found.nearest(both)[0] > 0
    assert len(found.looked) <= most
