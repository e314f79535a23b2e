import dataclasses
import json
import subprocess
import sys

import pytest

from nascli.core.genotype import Genotype
from nascli.core.goal import Constraint, Goal, Objective
from nascli.core.trial import History, Trial
from nascli.report import summary

NAMES = ("a", "b", "c")


def trial(number, options, accuracy=None, **more):
    metrics = {"params": 100.0 + number}
    if accuracy is not None:
        metrics["accuracy"] = accuracy
    return Trial(number, Genotype("toy", NAMES, tuple(options)), 1.0, metrics, 2.5, **more)


@pytest.fixture
def history():
    return History(
        [
            trial(0, "000", 50.0),
            trial(1, "100", infeasible="params 101 exceeds 100"),
            trial(2, "200", 70.0),
            trial(3, "010", error="RuntimeError: no"),
            trial(4, "200", 60.0),
        ]
    )


def test_layout_of_a_search(history, problem):
    bounded = dataclasses.replace(
        problem, goal=Goal(constraints=(Constraint("params", 1e6),)), seed=3
    )
    effort = {"search_epoch_seconds": 1.23456}
    report = summary.search(
        history, bounded, history[2].genotype, 12.3456, effort, repeats=4, ended="enough"
    )
    assert json.loads(json.dumps(report)) == report
    assert report["verb"] == "search"
    assert report["seconds"] == 12.346
    assert report["effort"] == {"search_epoch_seconds": 1.235}
    assert report["problem"] == {
        "space": "toy",
        "genotypes": 3 * 2 * 2,
        "task": "toy",
        "input_shape": [1, 8, 8],
        "classes": 10,
        "networks": "toy (1x8x8, 10 classes)",
        "objectives": {"accuracy": "max"},
        "constraints": {"params": 1e6},
        "device": None,
        "seed": 3,
    }
    assert report["genotype"] == history[2].genotype.to_json()
    assert report["description"] == problem.space.describe(history[2].genotype)
    assert report["result"] == {"accuracy": 70.0}
    assert report["costs"] == {"params": 102.0}
    counts = {"all": 5, "good": 3, "infeasible": 1, "failed": 1, "repeats": 4}
    assert report["trials"] == counts
    assert report["ended"] == "enough"
    assert report["failures"] == {"RuntimeError: no": 1}
    assert [row["trial"] for row in report["incumbents"]] == [0, 2]
    best = {"trial": 2, "fidelity": 1.0, "seconds": 2.5, "params": 102.0, "accuracy": 70.0}
    assert report["best"] == report["incumbents"][-1] == best


def test_a_search_without_an_answer(problem):
    failed = History([trial(0, "000", error="RuntimeError: no")])
    for history in (failed, History()):
        report = summary.search(history, problem, None, 0.0, {})
        assert report["genotype"] is report["best"] is None
        assert report["result"] == report["costs"] == {}
        assert report["incumbents"] == []


def test_an_answer_that_was_never_tried_has_no_metrics(history, problem):
    report = summary.search(history, problem, Genotype("toy", NAMES, ("1", "1", "1")), 1.0, {})
    assert report["result"] == report["costs"] == {}
    assert report["best"]["trial"] == 2


def test_needs_neither_torch_nor_matplotlib():
    modules = "nascli.report.summary, nascli.report.page, nascli.report.figures"
    code = (
        f"import sys, {modules}, nascli.report.drawings\n"
        "sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_front_for_each_cost_beside_that_of_the_objectives(problem):
    """Trials (accuracy, params, macs): the last is beaten in both, and one front has two others."""
    costs = {"params": [9, 5, 4, 9], "macs": [6, 9, 4, 9]}
    accuracies = [90.0, 80.0, 70.0, 60.0]
    trials = History(
        [
            Trial(
                n,
                Genotype("toy", NAMES, tuple("000")),
                1.0,
                {"accuracy": a, "flops": 1.0, **{cost: float(v[n]) for cost, v in costs.items()}},
            )
            for n, a in enumerate(accuracies)
        ]
    )
    goal = Goal((Objective("accuracy", "max"), Objective("params", "min")))
    several = dataclasses.replace(problem, goal=goal)
    fronts = summary.search(trials, several, None, 0.0, {})["fronts"]
    numbers = {cost: [row["trial"] for row in rows] for cost, rows in fronts.items()}
    assert numbers == {"params": [0, 1, 2], "macs": [0, 2]}
    assert fronts["macs"][1]["accuracy"] == 70.0
    assert "fronts" not in summary.search(trials, problem, None, 0.0, {})
