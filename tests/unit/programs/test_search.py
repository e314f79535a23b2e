"""Searches that end before their end: what stands in the folder, what is said, how they go on."""

import json
from types import SimpleNamespace

import pytest
import torch
from fixtures import TINY, TINY_SPACE, Heard, build, composed

from nascli.core.budget import Budget
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.goal import Constraint, Goal
from nascli.core.traits import Traits
from nascli.core.trial import History, Trial
from nascli.programs import search as program
from nascli.runs.folder import ENVIRONMENT, STATE, Run

SMALL = (
    "space=nasbench201",
    *TINY,
    *TINY_SPACE["nasbench201"],
    "data.images=64",
    "training.batch_size=8",
)


def folder(tmp_path, name):
    run = Run.claim(tmp_path, "search", name, {})
    (run.path / "environment.json").write_text('{"choices": {}, "overrides": []}')
    return run


def timed(monkeypatch, looks=None):
    """From now on the time is over once a budget has been looked at so many times."""
    left = [looks]

    def seconds_left(_budget):
        if left[0] is None:
            return None
        left[0] -= 1
        return float(max(0, left[0] + 1))

    monkeypatch.setattr(Budget, "seconds_left", property(seconds_left))


def searched(run, *words, warned=lambda _: None):
    return program.search(run, build.search(composed(*SMALL, *words), Heard(warned=warned)))


def lines(run):
    file = run.path / "history.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{k: v for k, v in row.items() if k not in ("seconds", "elapsed")} for row in rows]


SEARCHES = {
    "cached": ("strategy=random", "estimator=cached", "budget.trials=2"),
    "darts": ("strategy=darts", "training.epochs=2"),
    "one_shot": ("strategy=random", "estimator=one_shot", "budget.trials=2", "training.epochs=2"),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_whose_time_is_over_goes_on_at_the_step(tmp_path, monkeypatch, name):
    def words(file):
        return (*SEARCHES[name], *([f"estimator.path={tmp_path / file}"] * (name == "cached")))

    whole = folder(tmp_path, "whole")
    expected = searched(whole, *words("one"))
    cut, said, cuts = folder(tmp_path, "cut"), [], 0
    for _ in range(30):
        if len(lines(cut)) == 2:
            break
        timed(monkeypatch, 4)
        try:
            report = searched(cut, *words("other"), "budget.seconds=7", warned=said.append)
        except Fault as fault:
            said.append(str(fault))
        if said[-1].endswith(f"go on with: nas search resume={cut.path} budget.seconds=MORE"):
            assert f"is over in the middle of trial {len(lines(cut))}; " in said[-1]
            state = torch.load(cut.path / STATE, weights_only=True)
            assert state["trials"] == len(lines(cut))
            cuts += 1
    assert cuts
    assert lines(cut) == lines(whole)
    assert report["genotype"] == expected["genotype"]
    computed = [json.loads((run.path / ENVIRONMENT).read_text()) for run in (cut, whole)]
    assert computed[0] == computed[1]
    assert ("kernels" in computed[0]) == (name != "cached")  # which trains no supernet


def test_a_search_that_can_only_diverge_is_reported_and_goes_on_from_there(tmp_path):
    run, said = folder(tmp_path, "wild"), []
    words = ("strategy=darts", "training.epochs=2", "training.learning_rate=1e20")
    with pytest.raises(Fault, match="epoch 1 diverged again, .*; nothing was found"):
        searched(run, *words, warned=said.append)
    assert sum("going back to the start" in text for text in said) == 1
    report = json.loads((run.path / "report.json").read_text())
    assert report["trials"]["all"] == 0
    assert report["ended"].startswith("epoch 1 diverged again")
    with pytest.raises(Fault, match="epoch 1 diverged again"):
        searched(run, *words, warned=said.append)
    assert sum("going back" in text for text in said) == 1  # that was the one time


def test_a_trial_that_diverges_is_a_failed_one(tmp_path):
    run = folder(tmp_path, "wild")
    words = ("strategy=random", "estimator=train", "budget.trials=2", "training.learning_rate=1e20")
    with pytest.raises(
        Fault, match="of 2 trials 0 broke a constraint and 2 failed: 2 with DivergedError"
    ):
        searched(run, *words)
    assert all(row["error"].startswith("DivergedError: ") for row in lines(run))


def test_the_answer_and_all_fronts_are_looked_at_again_in_the_end(tmp_path):
    """On all validation images, where trials are scored on a few of them."""
    run = folder(tmp_path, "front")
    report = searched(
        run, "strategy=nsga2", "++objectives.accuracy=max", "++objectives.macs=min",
        "estimator=one_shot", "estimator.images=4", "estimator.at_once=4", "budget.trials=6",
    )  # fmt: skip
    whole = {}
    for rows in (report["front"], *report["fronts"].values()):
        for row in rows:
            assert row["accuracy"] in (0.0, 25.0, 50.0, 75.0, 100.0)
            whole.setdefault(row["trial"], row["all_images_accuracy"])
            assert row["all_images_accuracy"] == whole[row["trial"]]
    valid = len(build.stated(composed(*SMALL)).task.split("valid"))
    assert valid > 4
    for accuracy in (report["final"]["all_images_accuracy"], *whole.values()):
        assert accuracy * valid / 100 == pytest.approx(round(accuracy * valid / 100))
    assert set(report["fronts"]) >= {"params", "macs"}


@pytest.mark.parametrize("shares", [False, True])
def test_a_search_without_an_answer_says_what_was_nearest_and_what_to_do(shares):
    """Of two that are above both bounds or one, the one that is by the least share in all."""
    bounds = Constraint("latency_ms", 2.0), Constraint("params", 100_000)
    problem = SimpleNamespace(goal=Goal(constraints=bounds))
    strategy = SimpleNamespace(traits=Traits(unit="epoch", weight_sharing=shares))
    trials = [
        Trial(number, Genotype("s", (), ()), 1.0, metrics, infeasible=problem.goal.broken(metrics))
        for number, metrics in enumerate(
            (
                {"latency_ms": 1.9, "params": 250_000},  # by 1.5
                {"latency_ms": 3.1412, "params": 123_456},  # by 0.57 + 0.23
                {"latency_ms": 5.0, "params": 100_000},  # by 1.5
            )
        )
    ]
    parts = SimpleNamespace(problem=problem, strategy=strategy)
    said = program._why_none(History(trials), parts)
    assert "of 3 epochs 3 broke a constraint" in said
    assert "the nearest, epoch 1: latency_ms 3.1412 exceeds 2; params 123456 exceeds" in said
    assert "raise the bound (constraints.latency_ms=3.15 constraints.params=124000)" in said
    assert ("or take strategy=evolution" in said) is shares


def test_an_answer_that_is_measured_above_its_bound_is_doubted_wherever_it_is_told(
    tmp_path, monkeypatch
):
    measured = {"measured_ms": 30.0, "median_ms": 31.0, "p10_ms": 29.0, "p90_ms": 33.0}
    monkeypatch.setattr(program, "beside", lambda *_: measured | {"repeats": 9})
    run, heard = folder(tmp_path, "above"), []
    words = ("strategy=random", "estimator=zero_cost", "estimator.scores=[synflow]")
    device = ("device=nasbench201_devices", "device.setting=pixel2", "+constraints.latency_ms=20")
    report = searched(run, *words, *device, "budget.trials=1", warned=heard.append)
    said = "measured now, the answer takes 30 ms, above constraints.latency_ms=20"
    assert report["warnings"] == [said]
    assert heard.count(f"warning: {said}") == 1
    assert json.loads((run.path / "report.json").read_text())["warnings"] == [said]
    assert f'<p class="note">{said}</p>' in (run.path / "report.html").read_text("utf-8")
