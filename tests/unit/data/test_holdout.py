from __future__ import annotations

import numpy as np
import pytest

from nascli.core.fault import Fault
from nascli.data.holdout import Holdout, spread

LABELS = np.repeat([0, 1, 2], [60, 30, 11])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("begin", "end"), [(0, 20), (0, 50), (13, 80), (90, 101)])
def test_any_stretch_holds_every_class_in_proportion(seed: int, begin: int, end: int) -> None:
    order = spread(LABELS, seed)
    assert sorted(order) == list(range(101))
    share = (end - begin) / 101
    for label, count in enumerate((60, 30, 11)):
        inside = (LABELS[order[begin:end]] == label).sum()
        # A stretch of the order is a stretch of the unit interval, give or take an image each end.
        assert abs(inside - share * count) < 2


def test_the_order_is_random_and_the_seed_fixes_it() -> None:
    assert (spread(LABELS, 3) == spread(LABELS, 3)).all()
    firsts = {int(spread(LABELS, seed)[0]) for seed in range(40)}
    assert len({LABELS[first] for first in firsts}) == 3
    assert len(firsts) > 20


def test_the_splits_are_disjoint_and_whole() -> None:
    rows = Holdout(0.25, 0.2, split_seed=5, split_rule=1).divide(LABELS, ("valid", "test"))
    assert [len(rows[name]) for name in ("test", "valid", "train")] == [20, 20, 61]  # of 101, 81
    assert sorted(np.concatenate(list(rows.values()))) == list(range(101))
    for chosen in rows.values():
        assert (np.diff(chosen) > 0).all()


def test_only_what_is_wanted_is_held_out() -> None:
    assert set(Holdout(0.5, 0.2, split_rule=1).divide(LABELS, ())) == {"train"}
    rows = Holdout(0.5, 0.2, split_rule=1).divide(LABELS, ("valid",))
    assert len(rows["train"]) + len(rows["valid"]) == 101


def test_a_limit_leaves_the_test_split_as_it_was() -> None:
    whole = Holdout(0.2, 0.2, split_rule=1).divide(LABELS, ("valid", "test"))
    small = Holdout(0.2, 0.2, limit_train=30, split_rule=1).divide(LABELS, ("valid", "test"))
    assert (small["test"] == whole["test"]).all()
    assert [len(small["train"]), len(small["valid"])] == [24, 6]
    assert len(set(small["train"]) | set(small["valid"])) == 30


@pytest.mark.parametrize("rule", [1, 2])
def test_nothing_need_be_held_out_to_validate_on(rule: int) -> None:
    wanted, keys = ("valid", "test"), np.arange(101, dtype=np.uint64)
    rows = Holdout(0.0, 0.2, split_rule=rule).divide(LABELS, wanted, keys)
    half = Holdout(0.5, 0.2, split_rule=rule).divide(LABELS, wanted, keys)
    assert len(rows["valid"]) == 0
    assert (rows["test"] == half["test"]).all()
    assert sorted([*half["train"], *half["valid"]]) == list(rows["train"])
    few = Holdout(0.0, 0.2, limit_train=30, split_rule=rule).divide(LABELS, wanted, keys)
    assert (len(few["train"]), len(few["valid"])) == (30, 0)
    with pytest.raises(Fault, match="none is left for the valid split"):
        Holdout(0.001, 0.2, split_rule=1).divide(LABELS, wanted)


def test_all_bad_values_are_named_at_once() -> None:
    with pytest.raises(Fault) as fault:
        Holdout(1.5, -0.1, split_seed=-1, limit_train=0)
    for name in ("valid_fraction is 1.5", "test_fraction is -0.1", "split_seed is -1"):
        assert f"data.{name}" in str(fault.value)
    assert "data.limit_train is 0; it must be null or an integer of at least 2" in str(fault.value)


def test_too_few_images() -> None:
    with pytest.raises(Fault, match="too few images \\(2\\): none is left for the valid split"):
        Holdout(0.1, split_rule=1).divide(np.array([0, 1]), ("valid",))
