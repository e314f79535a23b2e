import math
import random

import pytest
from scipy import stats

from nascli.analysis.significance import APART, PAIRED, contrasts, holm, paired, ranks, wins


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


def test_the_same_seeds_make_the_signed_rank_test():
    a, b = draws(0, 0, 9), draws(1, 2, 9)
    seeds = list(range(9))
    (one,) = contrasts({"a": a, "b": b}, {"a": seeds, "b": seeds})
    assert (one.test, one.better) == (PAIRED, "a")
    assert one.p == one.corrected == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_runs_are_paired_by_seed_and_not_by_place():
    a, b = draws(0, 0, 9), draws(1, 0.5, 9)
    (one,) = contrasts({"a": a, "b": b[::-1]}, {"a": range(9), "b": range(8, -1, -1)})
    assert one.p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_other_seeds_make_the_u_test():
    a, b = draws(0, 0, 9), draws(1, -2, 7)
    (one,) = contrasts({"a": a, "b": b}, {"a": range(9), "b": range(7)})
    assert (one.test, one.better) == (APART, "b")
    expected = stats.mannwhitneyu(a, b, alternative="two-sided").pvalue
    assert one.p == pytest.approx(expected)


def test_every_pair_is_corrected_for_their_number():
    groups = {"a": draws(0, 0, 8), "b": draws(1, 1, 8), "c": draws(2, 3, 8)}
    found = contrasts(groups, dict.fromkeys(groups, range(8)))
    assert [(one.first, one.second) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = [stats.wilcoxon(groups[o.first], groups[o.second]).pvalue for o in found]
    assert [one.p for one in found] == pytest.approx(raw)
    assert [one.corrected for one in found] == pytest.approx(holm(raw))


def test_fewer_than_five_runs_are_not_tested():
    groups = {"a": draws(0, 0, 5), "b": draws(1, 0, 4)}
    assert contrasts(groups, {"a": range(5), "b": range(4)}) == []


def test_groups_that_end_alike_do_not_differ():
    (one,) = contrasts({"a": [1.0] * 6, "b": [1.0] * 6}, {"a": range(6), "b": range(6)})
    assert (one.p, one.corrected, one.better) == (1.0, 1.0, None)


@pytest.mark.parametrize("seeds", [range(5), range(5, 10)])
def test_a_run_without_an_answer_is_worse_than_any_other(seeds):
    found, lost = [1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 8.0, 11.0, 15.0, math.inf]
    (one,) = contrasts({"a": lost, "b": found}, {"a": range(5), "b": seeds})
    assert one.better == "b"
    # all five signs one way, or all ranks: 2 of 2^5, or 2 of (10 choose 5) outcomes
    assert one.p == pytest.approx(2 / 32 if seeds == range(5) else 2 / 252)
