import csv
import io
import json
import math
import statistics

import numpy as np
import pytest
from fixtures import drawn_words as words

from nascli.analysis import standings
from nascli.analysis.comparison import Comparison, Record
from nascli.core.fault import Fault
from nascli.core.goal import Objective
from nascli.report import page, races, tabulation

ACCURACY, FLOPS = Objective("accuracy", "max"), Objective("flops", "min")


def run(group, seed, best, *, end=4, final=None):
    """A run that finds `best` (a metric for each goal) with its second query; None: never."""
    losses = np.array([[-best[0], *best[1:]]]) if best else np.empty((0, 1))
    return Record(
        name=f"{group}{seed}",
        seed=seed,
        queries=np.full(len(losses), 2.0),
        seconds=np.full(len(losses), 0.2),
        losses=losses,
        worst=losses.max(axis=0, initial=-math.inf),
        ends={"queries": end, "seconds": end / 10},
        trials=end,
        final=final or {},
    )


def compared(groups, **more):
    """Groups of best accuracies, seeds from 1 on."""
    made = {g: [run(g, s, (b,)) for s, b in enumerate(bests, 1)] for g, bests in groups.items()}
    return Comparison(made, (ACCURACY,), **more)


def test_the_table_by_hand():
    values = {"a": [90.0, 91.0, 95.0], "b": [92.0, 94.0, 94.0]}
    first, second = standings.standings(compared(values, paired=True))
    assert (first["group"], second["group"]) == ("b", "a")
    for row in (first, second):
        numbers = values[row["group"]]
        assert row["runs"] == 3 and row["unanswered"] == 0
        assert row["mean_accuracy"] == pytest.approx(statistics.mean(numbers))
        assert row["std_accuracy"] == pytest.approx(statistics.stdev(numbers))
        error = statistics.stdev(numbers) / math.sqrt(3)
        assert row["standard_error_accuracy"] == pytest.approx(error)
        assert row["median_accuracy"] == statistics.median(numbers)
        assert (row["queries"], row["seconds"]) == (4, pytest.approx(0.4))
    assert (first["rank"], first["wins"]) == (pytest.approx(4 / 3), 2)
    assert (second["rank"], second["wins"]) == (pytest.approx(5 / 3), 1)


def test_ranks_are_over_pairs_which_equal_seeds_alone_do_not_make():
    rows = standings.standings(compared({"a": [90.0], "b": [91.0]}))
    assert [(row["rank"], row["wins"]) for row in rows] == [(None, None)] * 2
    groups = {"a": [run("a", 1, (90.0,))], "b": [run("b", 2, (91.0,))]}
    with pytest.raises(Fault, match=r"paired=true needs every seed once in .* a: 1; b: 2: leave"):
        Comparison(groups, (ACCURACY,), paired=True)


def test_figures_of_the_final_report_are_over_the_runs_that_have_them():
    tested = [run("a", s, (90.0,), final={"test_accuracy": t}) for s, t in ((1, 80.0), (2, 84.0))]
    groups = {"a": [*tested, run("a", 3, (90.0,))], "b": [run("b", 1, (80.0,))]}
    first, second = standings.standings(Comparison(groups, (ACCURACY,)))
    assert first["mean_test_accuracy"] == 82
    assert first["std_test_accuracy"] == pytest.approx(math.sqrt(8))
    assert second["mean_test_accuracy"] is None
    early = standings.standings(Comparison(groups, (ACCURACY,), at=3))
    assert "mean_test_accuracy" not in early[0]
    assert early[0]["queries"] == 3 and "seconds" not in early[0]


def test_a_run_that_found_nothing_leaves_no_mean_but_a_rank():
    groups = {
        "lost": [run("lost", 1, (99.0,)), run("lost", 2, ())],
        "b": [run("b", 1, (80.0,)), run("b", 2, (70.0,))],
    }
    rows = standings.standings(Comparison(groups, (ACCURACY,), paired=True))
    assert [row["group"] for row in rows] == ["b", "lost"]
    assert rows[1]["unanswered"] == 1
    assert rows[1]["mean_accuracy"] is None
    assert (rows[1]["rank"], rows[1]["wins"]) == (1.5, 1)


TEN = {"a": [90.0 + n for n in range(6)], "b": [80.0 + n * n / 10 for n in range(6)]}


def test_the_report_is_json_and_a_page():
    comparison = compared(TEN, paired=True)
    rows, found = standings.standings(comparison), standings.tests(comparison)
    report = json.loads(json.dumps(tabulation.summary(comparison, rows, found), allow_nan=False))
    assert report["table"] == rows
    (test,) = report["tests"]
    assert test["better"] == "a"
    assert test["p"] == pytest.approx(2 / 2**6)  # all six pairs one way
    expected = [
        {"group": "a", "a": None, "b": test["p"]},
        {"group": "b", "a": test["p"], "b": None},
    ]
    assert report["p_values"] == expected
    assert len(report["runs"]) == 12
    html = page.page(page.Content(report))
    assert "compare · a, b" in html and "a is better than b: a - b = +11.58 (" in html
    assert html.index("<h2>Table</h2>") < html.index("<h2>Tests</h2>")


def reading(comparison):
    return tabulation.reading(comparison, standings.tests(comparison))


def test_words_about_two_groups():
    few = reading(compared({"a": [90.0, 91.0, 92.5], "b": [91.0, 93.0, 95.0]}))
    assert "Mann-Whitney U test, two-sided; the unit: runs." in few
    assert "3 and 3 runs reach p = 0.100 at the least: it takes 4 a side to show a" in few
    # Welch: variances 1.583 and 4, so 1.364 x 2.994 (t of 3.37 degrees of freedom) each way
    assert "no difference shown: a - b = -1.83 (-5.92 .. +2.25)" in few
    five = {"a": [90.0, 90.5, 91.0, 91.5, 92.0], "b": [80.0, 81.0, 82.0, 83.0, 84.0]}
    shown = reading(compared(five))
    assert "  a is better than b: a - b = +9.00 (" in shown and "; p = 0.008)" in shown
    assert "at the least" not in shown
    pairs = reading(compared(five, paired=True))
    assert "5 and 5 runs reach p = 0.062 at the least: it takes 6 a side" in pairs
    assert "signed-rank test, two-sided; the unit: pairs of runs" in pairs
    assert "no difference shown" in pairs
    lost = {"a": [run("a", 1, ())], "b": [run("b", 1, (80.0,))]}
    assert "a - b = – (no interval: runs without an answer)" in reading(
        Comparison(lost, (ACCURACY,))
    )
    assert "test" not in reading(compared({"a": [90.0]}))


def test_many_groups_have_a_row_a_pair():
    groups = {name: [90.0 + n + place / 7 for n in range(5)] for place, name in enumerate("abcd")}
    groups["d"] = [100.0 + n for n in range(5)]
    comparison = compared(groups)
    found = standings.tests(comparison)
    said = tabulation.reading(comparison, found)
    assert "two-sided, Holm-corrected for 6 pairs; the unit: runs." in said
    assert "0.008 at the least" not in said  # times 6 it is .048
    head, rows = tabulation.pairs(comparison, found)
    assert head == ["", "difference", "95 % interval", "p", "Holm", ""]
    assert len(rows) == 6
    last = {row[0]: row for row in rows}["a - d"]
    assert (last[1], last[3], last[4], last[5]) == ("-10.00", "0.008", "0.048", "d is better")
    assert {row[0]: row[5] for row in rows}["a - b"] == "no difference shown"


def test_what_is_better_when_smaller_has_the_sign_of_its_own_unit():
    groups = {g: [run(g, s, (b,)) for s, b in enumerate(v)] for g, v in TEN.items()}
    for runs in groups.values():
        for record in runs:
            record.losses[:] *= -1
    said = reading(Comparison(groups, (Objective("latency_ms", "min"),)))
    assert "b is better than a: a - b = +11.58 (" in said


def test_rows_in_a_terminal():
    comparison = compared({"a": [90.0, 91.0], "b": [92.0, 93.0]}, paired=True)
    rows = standings.standings(comparison)
    head = tabulation.head(comparison)
    assert head == ["", "runs", "accuracy (%)", "s.e.", "median", "rank", "wins", "queries"]
    line = tabulation.line(comparison, rows[0])
    # the deviation of two values is their distance / sqrt(2), the error half of the distance
    assert line == ["b", "2", "92.50 ± 0.71", "0.500", "92.50", "1.00", "2", "4 in 0.4 s"]


def test_csv_files_read_back():
    comparison = compared({"a": [90.0], "b, c": [91.5]})
    lines = list(csv.reader(io.StringIO(tabulation.curves(comparison))))
    assert lines[0] == ["group", "seed", "queries", "measure", "value"]
    assert lines[1:4] == [["a", "1", x, "accuracy", "90.0"] for x in ("2", "3", "4")]
    assert lines[4] == ["b, c", "1", "2", "accuracy", "91.5"]
    table = list(csv.DictReader(io.StringIO(tabulation.text(standings.standings(comparison)))))
    assert [row["group"] for row in table] == ["b, c", "a"]
    assert float(table[0]["mean_accuracy"]) == 91.5
    assert table[0]["std_accuracy"] == ""


def test_curves_are_labelled_with_group_and_number_of_runs():
    drawn = races.draw(compared({"a": [90.0, 92.0], "b": [91.0]}), ["b", "a"])
    assert list(drawn) == ["anytime"]
    said = words(drawn["anytime"])
    assert {"a (2)", "b (1)", "best accuracy (%)", "mean and 25 to 75 %"} <= said
    assert "queries (trials charged to the budget)" in said


@pytest.mark.parametrize("log", [False, True])
def test_one_run_has_no_spread(log):
    said = words(races.draw(compared({"a": [90.0]}), ["a"], log=log)["anytime"])
    assert "a (1)" in said and not any("75 %" in text for text in said)


def test_nothing_found_is_not_drawn():
    comparison = Comparison({"a": [run("a", 1, ())]}, (ACCURACY,))
    assert races.draw(comparison, ["a"]) == {}


def test_several_goals_have_fronts_and_hypervolumes():
    groups = {
        "a": [run("a", 1, (90.0, 5e6)), run("a", 2, (80.0, 2e6))],
        "b": [run("b", 1, (85.0, 3e6))],
    }
    comparison = Comparison(groups, (ACCURACY, FLOPS))
    drawn = races.draw(comparison, ["a", "b"])
    assert list(drawn) == ["anytime", "hypervolume", "front"]
    assert "hypervolume" in words(drawn["hypervolume"])
    assert {"a (2)", "b (1)", "accuracy (%)", "FLOPs (2 x MACs)"} <= words(drawn["front"])
    rows = standings.standings(comparison)
    assert {"mean_hypervolume", "mean_accuracy", "mean_flops"} <= set(rows[0])
    assert (
        "ideal (accuracy 90.00 %, flops 2.00 M) and reference (accuracy 80.00 %, flops 5.00 M)"
        in reading(comparison)
    )


def test_more_groups_than_looks():
    groups = {f"g{n}": [90.0 + n] for n in range(25)}
    assert "g24 (1)" in words(races.draw(compared(groups), list(groups))["anytime"])
