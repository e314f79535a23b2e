import math
from statistics import fmean, variance

import numpy as np
import pytest
from scipy import stats

from nascli.analysis.baselines import (
    against_network,
    against_random,
    compare,
    genotypes_for,
    least_p,
)
from nascli.analysis.significance import holm

FOUND = [92.1, 91.4, 92.6]


def drawn(seed, genotypes, seeds, mean=90.0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(mean, 0.8, genotypes)
    return [rng.normal(centre, 0.3, seeds).tolist() for centre in centres]


def test_a_network_is_compared_by_welchs_test_over_its_seeds():
    other = [91.0, 90.2, 91.3, 90.4]
    one = against_network("resnet18", FOUND, other)
    expected = stats.ttest_ind(FOUND, other, equal_var=False)
    interval = expected.confidence_interval()
    assert one.difference == pytest.approx(fmean(FOUND) - fmean(other))
    assert (one.low, one.high) == pytest.approx((interval.low, interval.high))
    assert one.p == pytest.approx(expected.pvalue)
    assert one.genotypes == 0


def test_a_single_seed_is_no_test_of_a_network():
    for pair in (([92.0], FOUND), (FOUND, [92.0])):
        one = against_network("resnet18", *pair)
        assert (one.low, one.high, one.p) == (None, None, None)
        assert not one.better and not one.worse


def test_random_genotypes_are_the_units_and_seeds_are_nested_in_them():
    genotypes = drawn(1, 6, 3)
    one = against_random(FOUND, genotypes)
    means = [fmean(scores) for scores in genotypes]
    interval = stats.ttest_ind(FOUND, means, equal_var=False).confidence_interval()
    assert (one.low, one.high) == pytest.approx((interval.low, interval.high))
    assert one.difference == pytest.approx(fmean(FOUND) - fmean(means))


@pytest.mark.parametrize(("own", "beaten"), [(99.0, 4), (12.5, 2), (12.0, 1), (1.0, 0)])
def test_the_rank_counts_equals_against_the_found_network(own, beaten):
    one = against_random([own], [[11.0], [12.0], [13.0], [14.0]])
    assert (one.beaten, one.genotypes) == (beaten, 4)
    assert one.p == pytest.approx((1 + 4 - beaten) / 5)


def test_with_one_seed_it_varies_as_the_other_genotypes_do_with_theirs():
    genotypes = [[90.0, 90.4], [91.0, 91.2, 91.7], [89.5]]
    pooled = (0.2**2 * 2 + 2 * variance([91.0, 91.2, 91.7])) / 3
    between = variance([fmean(scores) for scores in genotypes]) / 3
    error = math.sqrt(pooled + between)
    freedom = (pooled + between) ** 2 / (pooled**2 / 3 + between**2 / 2)
    half = stats.t.ppf(0.975, freedom) * error
    one = against_random([92.0], genotypes)
    assert (one.low, one.high) == pytest.approx((one.difference - half, one.difference + half))


def test_one_seed_each_has_no_interval_and_neither_has_one_genotype():
    assert against_random([92.0], [[90.0], [91.0]]).low is None
    assert against_random(FOUND, [[90.0, 90.5]]).low is None
    assert against_random(FOUND, [[90.0, 90.5]]).more is None


def test_where_all_score_the_same_nothing_is_shown():
    one = against_random([90.0, 90.0], [[90.0, 90.0], [90.0, 90.0]])
    assert (one.low, one.p, one.better, one.worse) == (None, 1.0, False, False)
    one = against_network("resnet18", [90.0, 90.0], [91.0, 91.0])
    assert (one.difference, one.low, one.p, one.worse) == (-1.0, None, None, False)


def test_the_smallest_p_and_what_reaches_the_level():
    assert [round(least_p(n), 3) for n in (5, 19)] == [0.167, 0.05]
    for tests in (1, 2, 3):
        enough = genotypes_for(tests)
        assert least_p(enough) * tests <= 0.05 + 1e-12 < least_p(enough - 1) * tests


def test_nineteen_of_nineteen_is_better_and_five_of_five_is_not_shown():
    (many,) = compare([99.0, 98.9], drawn(2, 19, 2), {})
    (few,) = compare([99.0, 98.9], drawn(2, 5, 2), {})
    assert many.better and many.corrected == pytest.approx(0.05)
    assert few.beaten == 5 and few.low > 0 and not few.better
    (low,) = compare([80.0, 80.1], drawn(2, 5, 2), {})
    assert low.worse and low.beaten == 0


def test_baselines_are_corrected_together_and_those_without_a_test_left_out():
    networks = {"a": [99.0, 98.7], "b": [80.0, 81.0], "once": [70.0]}
    rows = compare([99.0, 98.8, 99.1], drawn(3, 19, 2), networks)
    assert [row.baseline for row in rows] == ["random", "a", "b", "once"]
    raw = [row.p for row in rows[:3]]
    assert [row.corrected for row in rows[:3]] == pytest.approx(holm(raw))
    assert rows[3].corrected is None
    assert raw[0] == 0.05 and rows[0].corrected > 0.05 and not rows[0].better


def test_the_genotypes_that_would_show_a_point_are_the_fewest_that_do():
    genotypes = [[90.0 + 1.5 * (-1) ** i, 90.1 + 1.5 * (-1) ** i] for i in range(6)]
    found = [90.5, 90.6, 90.4, 90.5, 90.6]
    one = against_random(found, genotypes)
    between, seeds = variance(fmean(scores) for scores in genotypes), variance(found) / 5

    def detectable(number):
        whole = seeds + between / number
        freedom = whole**2 / (seeds**2 / 4 + (between / number) ** 2 / (number - 1))
        return (stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)) * math.sqrt(whole)

    assert one.more > 13  # the level alone would take 13 more
    assert detectable(6 + one.more) <= 1 < detectable(5 + one.more)


def test_where_seeds_vary_too_much_no_number_of_genotypes_helps():
    assert against_random([80.0, 95.0], drawn(4, 5, 2)).more is None


def test_genotypes_that_hardly_differ_still_have_to_reach_the_level():
    genotypes = [[90.0, 90.0]] * 5
    assert against_random([90.2, 90.2], genotypes).more == 14
    assert compare([90.2, 90.2], genotypes, {"a": [90.1, 90.3], "once": [1.0]})[0].more == 34
