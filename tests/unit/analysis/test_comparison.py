import math
import random

import numpy as np
import pytest

from nascli.analysis.comparison import HYPERVOLUME, Comparison, Record, unbeaten
from nascli.core.fault import Fault
from nascli.core.goal import Objective

ACCURACY, FLOPS = Objective("accuracy", "max"), Objective("flops", "min")


def record(seed, points, end, *, goals=(ACCURACY,), seconds=None, **more):
    """A run from (queries, metric, ...) of those trials that no earlier one had beaten."""
    metrics = [goal.metric for goal in goals]
    losses = [
        [g.loss(dict(zip(metrics, p[1:], strict=True))) for g in goals] for p in points
    ]  # fmt: skip
    table = np.array(losses, dtype=float).reshape(len(points), len(goals))
    queries = np.array([p[0] for p in points], dtype=float)
    return Record(
        name=more.pop("name", f"run{seed}-{len(points)}-{end}-{id(points)}"),
        seed=seed,
        queries=queries,
        seconds=queries / 10 if seconds is None else np.array(seconds, dtype=float),
        losses=table,
        worst=more.pop("worst", table.max(axis=0, initial=-math.inf)),
        ends={"queries": float(end), "seconds": end / 10},
        trials=end,
        **more,
    )


# Three runs of one group: 50 then 80; 60; 40 then 70 then 90, which ends after 4 queries.
THREE = [
    record(1, [(1, 50.0), (3, 80.0)], 6),
    record(2, [(2, 60.0)], 5),
    record(3, [(1, 40.0), (2, 70.0), (4, 90.0)], 4),
]


@pytest.mark.parametrize("goals", [1, 2, 3])
def test_unbeaten_are_those_that_no_earlier_row_equals_or_beats(goals):
    rng = random.Random(goals)
    rows = [[rng.randrange(6) for _ in range(goals)] for _ in range(60)]
    plain = [
        i
        for i, row in enumerate(rows)
        if not any(all(a <= b for a, b in zip(rows[j], row, strict=True)) for j in range(i))
    ]
    assert unbeaten(np.array(rows, dtype=float)).tolist() == plain
    assert unbeaten(np.empty((0, goals))).tolist() == []


def test_values_are_the_best_so_far_between_first_trial_and_end():
    made = Comparison({"a": THREE}, (ACCURACY,))
    xs = np.arange(1.0, 8)
    nan = math.nan
    expected = [
        [50, 50, 80, 80, 80, 80, nan],
        [nan, 60, 60, 60, 60, nan, nan],
        [40, 70, 70, 90, nan, nan, nan],
    ]
    for run, row in zip(THREE, expected, strict=True):
        np.testing.assert_array_equal(made.values(run, ACCURACY, xs), row)
    assert [made.last(run, ACCURACY) for run in THREE] == [80, 60, 90]
    at = Comparison({"a": THREE}, (ACCURACY,), at=3)
    assert [at.last(run, ACCURACY) for run in THREE] == [80, 60, 70]


def test_a_curve_is_over_the_same_runs_all_along():
    made = Comparison({"a": THREE, "b": [record(1, [], 2)]}, (ACCURACY,))
    curve = made.curve("a", ACCURACY, made.grid())
    assert curve.x.tolist() == [2, 3, 4]
    # of (50, 60, 70), (80, 60, 70) and (80, 60, 90)
    np.testing.assert_allclose(curve.mean, [60, 70, 230 / 3])
    np.testing.assert_allclose(curve.low, [55, 65, 70])
    np.testing.assert_allclose(curve.high, [65, 75, 85])
    assert made.curve("b", ACCURACY, made.grid()) is None


def test_an_objective_to_minimise_falls():
    runs = [record(1, [(1, 9.0), (2, 4.0)], 3, goals=(FLOPS,))]
    made = Comparison({"a": runs}, (FLOPS,))
    assert made.values(runs[0], FLOPS, np.array([1.0, 2, 3])).tolist() == [9, 4, 4]


def test_seconds_as_the_axis():
    runs = [record(1, [(1, 50.0), (2, 60.0)], 40, seconds=[0.5, 2.5])]
    made = Comparison({"a": runs}, (ACCURACY,), axis="seconds")
    np.testing.assert_array_equal(
        made.values(runs[0], ACCURACY, np.array([0.4, 0.5, 2.4, 2.5, 4.0, 4.1])),
        [math.nan, 50, 50, 60, 60, math.nan],
    )
    assert made.grid()[-1] == 4.0


@pytest.mark.parametrize("log", [False, True])
def test_the_grid_has_every_query_or_a_thousand_points(log):
    short = Comparison({"a": [record(1, [(1, 1.0)], 7)]}, (ACCURACY,))
    assert short.grid(log=log).tolist() == [1, 2, 3, 4, 5, 6, 7]
    long = Comparison({"a": [record(1, [(1, 1.0)], 100_000)]}, (ACCURACY,)).grid(log=log)
    assert 300 < len(long) <= 1000
    assert (long[0], long[-1]) == (1, 100_000)
    assert (np.diff(long) > 0).all()


def test_shares_of_a_trial_add_up_in_spite_of_rounding():
    runs = [record(1, [(0.1 + 0.2, 50.0)], 1)]
    assert Comparison({"a": runs}, (ACCURACY,), at=0.3).last(runs[0], ACCURACY) == 50


def test_at_lies_within_every_run():
    text = r"at=5 lies beyond the end of '.*' \(4 queries\); take at most that"
    with pytest.raises(Fault, match=text):
        Comparison({"a": THREE}, (ACCURACY,), at=5)


BOTH = (ACCURACY, FLOPS)
# (90, 30) then (80, 10) in one run, (85, 20) in another; the worst trial of all was (60, 50).
FRONTS = [
    record(1, [(1, 90.0, 30.0), (3, 80.0, 10.0)], 4, goals=BOTH, worst=np.array([-80.0, 50.0])),
    record(1, [(2, 85.0, 20.0)], 4, goals=BOTH, worst=np.array([-60.0, 20.0])),
]


def test_hypervolume_is_a_share_of_the_box_between_best_and_worst():
    made = Comparison({"a": FRONTS[:1], "b": FRONTS[1:]}, BOTH)
    assert made.measures == (HYPERVOLUME, ACCURACY, FLOPS)
    assert made.corners() == {
        "ideal": {"accuracy": 90, "flops": 10},
        "reference": {"accuracy": 60, "flops": 50},
    }
    # The box is 30 x 40. (90, 30) has 30 x 20 of it, (80, 10) adds 20 x 20; (85, 20) has 25 x 30.
    values = made.values(FRONTS[0], HYPERVOLUME, np.array([1.0, 2, 3, 4]))
    np.testing.assert_allclose(values, [600 / 1200, 600 / 1200, 1000 / 1200, 1000 / 1200])
    assert made.last(FRONTS[1], HYPERVOLUME) == pytest.approx(750 / 1200)
    assert made.last(FRONTS[0], FLOPS) == 10


def test_hypervolume_of_a_box_that_is_given():
    corners = {"reference": {"accuracy": 0, "flops": 100}, "ideal": {"accuracy": 100, "flops": 20}}
    made = Comparison({"a": FRONTS}, BOTH, **corners)
    # 100 x 80. (90, 30) has 90 x 70; (80, 10) is beyond the ideal in flops: 80 x 10 more.
    assert made.last(FRONTS[0], HYPERVOLUME) == pytest.approx((90 * 70 + 80 * 10) / 8000)
    assert made.corners() == {key: corners[key] for key in ("ideal", "reference")}


def test_hypervolume_of_three_goals_by_counting_cells():
    goals = (*BOTH, Objective("params", "min"))
    rng = random.Random(1)
    points = [(n, rng.randrange(10), rng.randrange(10), rng.randrange(10)) for n in range(1, 9)]
    runs = [record(1, points, 9, goals=goals)]
    low, high = (
        {"accuracy": 10, "flops": 0, "params": 0},
        {"accuracy": 0, "flops": 10, "params": 10},
    )
    made = Comparison({"a": runs}, goals, ideal=low, reference=high)
    cells = sum(
        any(a >= x + 1 and f <= y and p <= z for _, a, f, p in points)
        for x in range(10)
        for y in range(10)
        for z in range(10)
    )
    assert made.last(runs[0], HYPERVOLUME) == pytest.approx(cells / 1000)


def test_the_front_of_a_group_is_that_of_all_its_runs():
    made = Comparison({"a": FRONTS}, BOTH)
    assert made.front("a").tolist() == [[-90, 30], [-85, 20], [-80, 10]]
    early = Comparison({"a": FRONTS}, BOTH, at=2)
    assert early.front("a").tolist() == [[-90, 30], [-85, 20]]


@pytest.mark.parametrize(
    ("corners", "says"),
    [
        ({"reference": {"accuracy": 0}}, "reference names accuracy; it must give accuracy, flops"),
        (
            {"reference": {"accuracy": 95, "flops": 50}},
            "accuracy is 95 at the reference, which is better than the 90 of the ideal",
        ),
    ],
)
def test_corners_that_make_no_box(corners, says):
    with pytest.raises(Fault, match=says):
        Comparison({"a": FRONTS}, BOTH, **corners)
