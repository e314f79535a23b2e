from __future__ import annotations

import random

import pytest

from nascli.zero_cost.vote import Vote


def test_the_vote_is_above_a_share_where_the_majority_prefers_the_genotype_to_it() -> None:
    rng, size = random.Random(0), 9
    names = ("a", "b", "c")
    reference = {name: [rng.gauss(0, 1) for _ in range(size)] for name in names}
    vote = Vote(reference)
    for _ in range(200):
        scores = {name: rng.gauss(0, 1) for name in names}
        below = {name: sum(value < scores[name] for value in reference[name]) for name in names}
        for share in range(1, size + 1):
            majority = sum(below[name] >= share for name in names) >= 2
            assert majority == (vote(scores) >= (share - 0.5) / size)


def test_between_neighbours_it_is_a_straight_line() -> None:
    vote = Vote({"a": [0.0, 1.0, 3.0, 11.0]})
    assert vote({"a": 1.0}) == pytest.approx(0.375)
    assert vote({"a": 2.0}) == pytest.approx(0.5)
    assert vote({"a": 7.0}) == pytest.approx(0.75)


def test_beyond_the_ends_it_goes_on() -> None:
    vote = Vote({"a": [0.0, 1.0, 3.0, 10.0]})
    assert vote({"a": 10.0}) == pytest.approx(0.875)
    assert vote({"a": 20.0}) == pytest.approx(0.875 + 0.25)
    assert vote({"a": -10.0}) == pytest.approx(0.125 - 0.25)


def test_order_is_all_that_counts_inside_the_reference_for_the_majority() -> None:
    # b is a in another unit, so both say the same, and c is outvoted
    a, c = [3.0, 1.0, 2.0], [1.0, 2.0, 3.0]
    vote = Vote({"a": a, "b": [1000 * x for x in a], "c": c})
    assert vote({"a": 2.0, "b": 2000.0, "c": 100.0}) == pytest.approx(0.5)


def test_equal_references_still_have_two_sides() -> None:
    vote = Vote({"a": [5.0, 5.0]})
    assert vote({"a": 4.0}) < vote({"a": 5.0}) < vote({"a": 6.0})


def test_of_two_scores_it_is_the_mean() -> None:
    vote = Vote({"a": [0.0, 1.0], "b": [0.0, 1.0]})
    assert vote({"a": 0.0, "b": 1.0}) == pytest.approx(0.5)
