"""Rule 2 of the splits: what it promises, on labels and keys alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nascli.data import places as rule
from nascli.data.holdout import Holdout
from nascli.data.places import NOT_TEST, OPEN, TEST, TRAIN, VALID, Shares, places, too_small

BOTH = Shares(0.2, 0.25, 0)


def images(seed: int, *counts: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Labels and keys of so many images in each class, all different."""
    labels = np.repeat(np.arange(len(counts)), counts)
    keys = np.random.default_rng(seed).integers(0, 2**64, len(labels), dtype=np.uint64)
    return labels, keys


def of_key(placed: NDArray[np.int8], keys: NDArray[np.uint64]) -> dict[int, int]:
    return dict(zip(keys.tolist(), placed.tolist(), strict=True))


def test_each_class_gives_its_fraction() -> None:
    labels, keys = images(0, 100, 40, 7)
    placed = places(labels, keys, BOTH)
    for label, count in enumerate((100, 40, 7)):
        own = placed[labels == label]
        tested = round(0.25 * count)
        held = round(0.2 * (count - tested))
        assert [(own == p).sum() for p in (TEST, VALID)] == [tested, held]


@pytest.mark.parametrize("seed", range(20))
def test_one_image_more_moves_at_most_one_across_each_boundary(seed: int) -> None:
    labels, keys = images(seed, 30, 11)
    whole = of_key(places(labels, keys, BOTH), keys)
    for left_out in range(len(labels)):
        rest = np.delete(np.arange(len(labels)), left_out)
        fewer = of_key(places(labels[rest], keys[rest], BOTH), keys[rest])
        moved = [key for key, place in fewer.items() if whole[key] != place]
        assert len(moved) <= 2
        others = [k for k in moved if k in keys[labels != labels[left_out]].tolist()]
        assert not others  # another class does not even notice


def test_the_order_of_the_files_decides_nothing() -> None:
    labels, keys = images(1, 30, 20)
    order = np.random.default_rng(0).permutation(50)
    first, second = (of_key(places(labels[o], keys[o], BOTH), keys[o]) for o in (range(50), order))
    assert first == second


def test_another_seed_is_another_draw() -> None:
    labels, keys = images(1, 300)
    tested = [places(labels, keys, Shares(0.2, 0.25, seed)) == TEST for seed in range(4)]
    for one in range(3):
        assert 5 < (tested[one] & tested[one + 1]).sum() < 40  # by chance 75 / 4


def test_the_hash_is_the_published_one() -> None:
    # SplitMix64 from state 0 gives this first number (Vigna's reference implementation).
    first = rule._finalised(np.array([0x9E3779B97F4A7C15], np.uint64))
    assert int(first[0]) == 0xE220A8397B1DCDAF
    assert (rule.mixed(np.array([0], np.uint64), 0) == rule._finalised(first)).all()


@pytest.mark.parametrize("count", [3, 4, 9])
def test_a_class_of_three_is_in_every_split(count: int) -> None:
    for seed in range(30):
        labels, keys = images(seed, 60, count)
        placed = places(labels, keys, Shares(0.1, 0.1, seed))
        assert set(placed[labels == 1]) == {TRAIN, VALID, TEST}


@pytest.mark.parametrize(("count", "expected"), [(1, [TRAIN]), (2, [TRAIN, VALID])])
def test_a_smaller_one_is_trained_on_first(count: int, expected: list[int]) -> None:
    labels, keys = images(0, 60, count)
    for fraction in (0.1, 0.6):
        placed = places(labels, keys, Shares(fraction, fraction, 0))
        assert sorted(placed[labels == 1]) == expected
    assert too_small(labels, keys, BOTH) == [1]


def test_copies_of_an_image_are_no_other_images() -> None:
    labels, keys = images(0, 60, 5)
    keys[labels == 1] = keys[60]
    assert too_small(labels, keys, BOTH) == [1]
    assert set(places(labels, keys, BOTH)[labels == 1]) == {TRAIN}


@pytest.mark.parametrize("seed", range(10))
def test_copies_stay_together_in_a_class_and_across(seed: int) -> None:
    labels, keys = images(seed, 40, 40, 40)
    keys[10:20] = keys[:10]  # in one class
    keys[50:60] = keys[30:40]  # in two
    placed = places(labels, keys, BOTH)
    assert (placed[10:20] == placed[:10]).all()
    assert (placed[50:60] == placed[30:40]).all()
    for place, share in ((TEST, 30), (VALID, 18)):
        assert abs((placed == place).sum() - share) <= 9  # by a pair, or the hash's own draw


def test_what_is_settled_stays() -> None:
    labels, keys = images(3, 50, 50)
    known = np.full(100, OPEN, np.int8)
    known[:20], known[20:30], known[60:] = TEST, VALID, NOT_TEST
    placed = places(labels, keys, BOTH, known)
    assert (placed[:20] == TEST).all() and (placed[20:30] == VALID).all()
    assert (placed[60:] != TEST).all()
    assert (placed[30:50] != TEST).all()  # 20 are more than a quarter of 50 already
    assert (placed[50:60] == TEST).sum() == 10  # all that may be: 12 are wanted


def test_a_limit_moves_nothing_between_splits() -> None:
    labels, keys = images(4, 100, 50, 3)
    placed = places(labels, keys, BOTH)
    whole, few = (rule.limited(placed, labels, keys, BOTH, limit) for limit in (None, 30))
    assert (few["test"] == whole["test"]).all()
    assert len(few["train"]) + len(few["valid"]) == 30
    assert len(few["valid"]) == 6
    for name in ("train", "valid"):
        assert set(few[name]) <= set(whole[name])
        assert set(labels[few[name]]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ([10, 10], 6, [3, 3]),
        ([90, 9, 1], 10, [8, 1, 1]),
        ([5, 5], 20, [5, 5]),
        ([4, 0, 4], 4, [2, 0, 2]),
        ([1, 1, 1], 2, [1, 1, 0]),
    ],
)
def test_apportioned(sizes: list[int], count: int, expected: list[int]) -> None:
    assert rule.apportioned(np.array(sizes), count).tolist() == expected


def test_only_what_is_wanted_is_held_out() -> None:
    labels, keys = images(0, 50, 50)
    assert set(Holdout(0.5, 0.2).divide(labels, (), keys)) == {"train"}
    rows = Holdout(0.5, 0.2).divide(labels, ("valid",), keys)
    assert [len(rows[name]) for name in ("train", "valid")] == [50, 50]
