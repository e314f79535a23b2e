import math
import random
from itertools import combinations

import pytest

from nascli.analysis.correlation import Correlations


def tau_b(x, y):
    """Kendall 1945: (concordant - discordant) / sqrt((untied pairs of x) (untied pairs of y))."""
    sign = lambda a: (a > 0) - (a < 0)  # noqa: E731
    pairs = [(sign(x[i] - x[j]), sign(y[i] - y[j])) for i, j in combinations(range(len(x)), 2)]
    untied_x, untied_y = (sum(s != 0 for s in signs) for signs in zip(*pairs, strict=True))
    return sum(a * b for a, b in pairs) / math.sqrt(untied_x * untied_y)


def rho(x, y):
    """Pearson's correlation of the mean ranks."""
    ranks = [[sum(b < a for b in v) + sum(b == a for b in v) / 2 for a in v] for v in (x, y)]
    (x, mean_x), (y, mean_y) = ((r, sum(r) / len(r)) for r in ranks)
    across = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    along = [sum((a - m) ** 2 for a in v) for v, m in ((x, mean_x), (y, mean_y))]
    return across / math.sqrt(along[0] * along[1])


def drawn(seed, networks=40, noise=2.0):
    rng = random.Random(seed)
    y = [rng.randrange(12) for _ in range(networks)]  # coarse: full of ties
    return [round(v + rng.gauss(0, noise)) for v in y], y


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_definitions_where_there_are_ties(seed):
    x, y = drawn(seed)
    found = Correlations({"x": x}, y, resamples=2)
    assert found.kendall("x").value == pytest.approx(tau_b(x, y))
    assert found.spearman("x").value == pytest.approx(rho(x, y))


def test_an_example_by_hand():
    found = Correlations({"x": [1, 2, 3, 4]}, [1, 3, 2, 4], resamples=2)
    assert found.kendall("x").value == pytest.approx(4 / 6)  # five pairs agree, one does not
    assert found.spearman("x").value == pytest.approx(1 - 6 * 2 / (4 * 15))  # sum of d^2 = 2


def test_infinite_estimates_rank_last_and_level():
    x, y = [-math.inf, 2.0, -math.inf, 5.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    found = Correlations({"x": x}, y, resamples=2)
    assert found.kendall("x").value == pytest.approx(tau_b([0, 2, 0, 5, 4], y))


def test_a_constant_estimate_has_no_correlation():
    found = Correlations({"x": [1.0] * 8}, range(8), resamples=5)
    interval = found.kendall("x")
    assert all(math.isnan(v) for v in (interval.value, interval.low, interval.high))
    assert math.isnan(found.spearman("x").value)


def test_the_seed_decides_the_interval_and_not_the_value():
    x, y = drawn(0)
    first, again, other = (Correlations({"x": x}, y, seed=s, resamples=50) for s in (1, 1, 2))
    assert first.kendall("x") == again.kendall("x") != other.kendall("x")
    assert first.kendall("x").value == other.kendall("x").value


def test_the_interval_covers_the_truth():
    """Normal pairs of correlation r have tau = 2 / pi * arcsin(r) (Greiner's relation)."""
    rng, r, covered, times = random.Random(0), 0.6, 0, 40
    for seed in range(times):
        y = [rng.gauss(0, 1) for _ in range(60)]
        x = [r * v + math.sqrt(1 - r * r) * rng.gauss(0, 1) for v in y]
        tau = Correlations({"x": x}, y, seed=seed, resamples=100).kendall("x")
        covered += tau.low <= 2 / math.pi * math.asin(r) <= tau.high
    # 95 % of 40 are 38; at a true coverage of 90 %, fewer than 30 have a chance below 1 in 1,000
    assert covered >= 30


def test_the_lead_is_paired_and_takes_the_baseline_in_its_better_direction():
    x, y = drawn(0)
    turned = [-v for v in x]
    same = Correlations({"x": x, "turned": turned}, y, resamples=50).lead("x", "turned")
    assert (same.value, same.low, same.high) == pytest.approx((0, 0, 0), abs=1e-12)
    better = Correlations({"y": y, "x": x}, y, resamples=50).lead("y", "x")
    assert better.value == pytest.approx(1 - tau_b(x, y))
    assert 0 < better.low < better.value < better.high


def test_a_lead_is_over_the_better_direction_of_the_baseline():
    """A baseline that ranks the wrong way round is turned: its lead is that of its mirror image."""
    x, y = drawn(0)
    rng = random.Random(1)
    z = [v + rng.gauss(0, 3) for v in y]  # ranks about as well as x: no sure lead
    turned = [-v for v in z]
    found = Correlations({"x": x, "z": z, "turned": turned}, y, resamples=99)
    assert found.kendall("turned").value == pytest.approx(-found.kendall("z").value)
    for baseline in ("z", "turned"):
        lead = found.lead("x", baseline)
        assert lead.value == pytest.approx(found.kendall("x").value - abs(found.kendall("z").value))
        assert found.lead_p("x", baseline) == found.lead_p("x", "z") > 0.05
    sure = Correlations({"same": y, "turned": [-v for v in x]}, y, resamples=99)
    assert sure.lead_p("same", "turned") == pytest.approx(2 / 100)
    twin = Correlations({"x": x, "twin": [2 * v for v in x]}, y, resamples=99)
    assert twin.lead_p("x", "twin") == 1.0  # every resample is level
