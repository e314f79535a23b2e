import math
import random
import statistics

import pytest
from scipy import stats

from nascli.analysis.significance import (
    APART,
    PAIRED,
    contrasts,
    holm,
    least_p,
    mean_of,
    paired,
    ranks,
    runs_for,
    significant,
    welch,
    wins,
)


def draws(seed, shift, number):
    rng = random.Random(seed)
    return [rng.gauss(shift, 1) for _ in range(number)]


def test_seeds_pair_if_they_are_the_same_and_each_once():
    assert paired([[1, 2, 3], [3, 1, 2]])
    assert not paired([[1, 2, 3], [1, 2, 4]])
    assert not paired([[1, 1, 2], [1, 1, 2]])


def test_mean_ranks_by_hand():
    # seed 1: a b c; seed 2: a = b, then c, which found nothing
    losses = {"c": [3.0, math.inf], "a": [1.0, 5.0], "b": [2.0, 5.0]}
    assert ranks(losses) == {"c": 3.0, "a": 1.25, "b": 1.75}
    assert wins(losses) == {"c": 0, "a": 2, "b": 1}


def test_nobody_wins_where_nobody_finds_anything():
    assert wins({"a": [math.inf, 1.0], "b": [math.inf, 2.0]}) == {"a": 1, "b": 0}


def test_holm_by_hand():
    # 0.01 x 4, 0.02 x 3, then 0.03 x 2 and 0.04 x 1 are not below what came before
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_least_p_is_that_of_the_clearest_outcome():
    for count in range(2, 9):
        low, high = list(range(count)), [100.0 + 2**n for n in range(count)]
        u = stats.mannwhitneyu(low, high, alternative="two-sided", method="exact").pvalue
        assert least_p(count, count) == pytest.approx(min(1, u))
        pairs = stats.wilcoxon(low, high, method="exact").pvalue
        assert least_p(count, count, pairs=True) == pytest.approx(min(1, pairs))
    assert least_p(5, 5, pairs=True) == 0.0625  # so five pairs can never show anything
    assert least_p(3, 5) == pytest.approx(2 / 56)
    assert least_p(0, 4) == least_p(0, 0, pairs=True) == 1.0  # a chance, also of no runs at all


def test_how_many_runs_would_do():
    # pairs: 2 / 2^6 = .031 is the first at most .05; apart: 2 / (8 choose 4) = .029
    assert (runs_for(1, pairs=True), runs_for(1)) == (6, 4)
    # of 28 tests: .05 / 28 = .0018: 2 / 2^11 = .00098; 2 / (14 choose 7) = .00058, 12: .0022
    assert (runs_for(28, pairs=True), runs_for(28)) == (11, 7)


def test_runs_pair_where_they_are_said_to_and_not_because_seeds_are_equal():
    a, b = draws(0, 0, 9), draws(1, 2, 9)
    seeds = {"a": list(range(9)), "b": list(range(9))}
    (one,) = contrasts({"a": a, "b": b}, seeds, pairs=True)
    assert (one.test, one.better) == (PAIRED, "a")
    assert one.p == one.corrected == pytest.approx(stats.wilcoxon(a, b).pvalue)
    (apart,) = contrasts({"a": a, "b": b}, seeds, pairs=False)
    assert apart.test == APART
    assert apart.p == pytest.approx(stats.mannwhitneyu(a, b, alternative="two-sided").pvalue)


def test_runs_are_paired_by_seed_and_not_by_place():
    a, b = draws(0, 0, 9), draws(1, 0.5, 9)
    seeds = {"a": range(9), "b": range(8, -1, -1)}
    (one,) = contrasts({"a": a, "b": b[::-1]}, seeds, pairs=True)
    assert one.p == pytest.approx(stats.wilcoxon(a, b).pvalue)
    expected = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert (one.low, one.high) == pytest.approx((expected.low, expected.high))


def test_pairs_that_are_level_have_no_rank():
    """Wilcoxon 1945: of -.1 -.2 -.3 and .4 .5 the ranks sum to 6 and 9, whatever else is level."""
    a = [0.9, 0.8, 0.7, 1.4, 1.5] + [1.0] * 6
    seeds = {"a": range(11), "b": range(11)}
    (one,) = contrasts({"a": a, "b": [1.0] * 11}, seeds, pairs=True)
    assert one.better == "b"  # with ranks 1 to 6 for the level ones it were 24 against 21


def test_other_numbers_of_runs_make_the_u_test():
    a, b = draws(0, 0, 9), draws(1, -2, 7)
    (one,) = contrasts({"a": a, "b": b}, {"a": range(9), "b": range(7)}, pairs=False)
    assert (one.test, one.better) == (APART, "b")
    expected = stats.mannwhitneyu(a, b, alternative="two-sided").pvalue
    assert one.p == pytest.approx(expected)


def test_every_pair_is_corrected_for_their_number():
    groups = {"a": draws(0, 0, 8), "b": draws(1, 1, 8), "c": draws(2, 3, 8)}
    found = contrasts(groups, dict.fromkeys(groups, range(8)), pairs=True)
    assert [(one.first, one.second) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = [stats.wilcoxon(groups[o.first], groups[o.second]).pvalue for o in found]
    assert [one.p for one in found] == pytest.approx(raw)
    assert [one.corrected for one in found] == pytest.approx(holm(raw))


def test_the_interval_is_welchs_of_95_percent():
    """From a t table: 2.776 for 4 degrees of freedom; both variances are 1, both sides have 3."""
    a, b = [1.0, 2.0, 3.0], [11.0, 12.0, 13.0]
    (one,) = contrasts({"a": a, "b": b}, {"a": range(3), "b": range(3)}, pairs=False)
    half = 2.776 * (1 / 3 + 1 / 3) ** 0.5
    assert one.lead == pytest.approx(10)
    assert (one.low, one.high) == pytest.approx((10 - half, 10 + half), abs=1e-3)
    # three and three can come to .1 at the least, whatever they score: no test, nothing is shown
    assert (one.p, one.corrected, one.better, one.shown) == (None, None, None, False)


def test_two_runs_a_side_have_an_interval():
    """From a t table: 12.706 for 1 degree of freedom, one side's variance being 0."""
    (one,) = contrasts({"a": [1.0, 3.0], "b": [9.0, 9.0]}, {"a": (0, 1), "b": (0, 1)}, pairs=False)
    # variance 2, of a mean of two 1: half the interval is 12.706
    assert (one.low, one.high) == pytest.approx((7 - 12.706, 7 + 12.706), abs=1e-3)


def test_what_comes_to_the_level_exactly_is_shown_in_spite_of_rounding():
    assert significant(0.05) and significant(0.05 / 7 * 3 * 7 / 3)
    assert significant(math.nextafter(0.05, 1)) and not significant(0.05 + 1e-9)
    assert not significant(None)


def test_intervals_hold_the_truth_95_times_in_100():
    rng, held = random.Random(0), {True: 0, False: 0}
    for _ in range(600):
        shared = [rng.gauss(0, 3) for _ in range(6)]
        a = [s + rng.gauss(0, 1) for s in shared]
        b = [s + rng.gauss(0.7, 1) for s in shared]
        seeds = {"a": range(6), "b": range(6)}
        for pairs in held:
            (one,) = contrasts({"a": a, "b": b}, seeds, pairs=pairs)
            held[pairs] += one.low <= 0.7 <= one.high
    assert abs(held[True] / 600 - 0.95) < 4 * (0.95 * 0.05 / 600) ** 0.5
    assert held[False] / 600 > 0.99  # of pairs taken apart they are too wide


def test_what_has_no_interval_says_none():
    seeds = {"a": range(1), "b": range(5)}
    (one,) = contrasts({"a": [3.0], "b": draws(0, 0, 5)}, seeds, pairs=False)
    assert one.lead is not None and (one.low, one.high, one.p) == (None, None, None)
    seeds = {"a": range(4), "b": range(4)}
    (lost,) = contrasts({"a": [math.inf, 1, 2, 3], "b": [4, 5, 6, 7]}, seeds, pairs=False)
    assert (lost.lead, lost.low, lost.high) == (None, None, None) and lost.p is not None


def test_groups_that_end_alike_do_not_differ():
    seeds = {"a": range(6), "b": range(6)}
    (one,) = contrasts({"a": [1.0] * 6, "b": [1.0] * 6}, seeds, pairs=True)
    assert (one.p, one.corrected, one.better, one.lead) == (1.0, 1.0, None, 0.0)


@pytest.mark.parametrize("pairs", [True, False])
def test_a_run_without_an_answer_is_worse_than_any_other(pairs):
    found, lost = [1.0, 2.0, 3.0, 4.0, 5.0, 5.5], [6.0, 8.0, 11.0, 15.0, 20.0, math.inf]
    (one,) = contrasts({"a": lost, "b": found}, {"a": range(6), "b": range(6)}, pairs=pairs)
    assert one.better == "b" and one.shown
    # all six signs one way, or all ranks: 2 of 2^6, or 2 of (12 choose 6) outcomes
    assert one.p == pytest.approx(2 / 64 if pairs else 2 / 924)


def test_welchs_p_is_that_of_his_test():
    a, b = draws(0, 0, 7), draws(1, 1, 5)
    parts = [mean_of(statistics.variance(side), len(side)) for side in (a, b)]
    low, high, p = welch(statistics.fmean(a) - statistics.fmean(b), parts)
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (low, high) == pytest.approx((interval.low, interval.high))
