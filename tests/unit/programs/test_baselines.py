"""A genotype and its baselines, each a few trainings of one loop: cut off, failed, gone on with."""

import json
import math
from dataclasses import replace

import pytest
import torch
from fixtures import TINY, TINY_SPACE, Heard, asked, composed

from nascli import genotypes
from nascli.config import retrain as config
from nascli.core.fault import Fault
from nascli.core.listener import SILENT
from nascli.programs import from_scratch
from nascli.programs import retrain as program
from nascli.runs.folder import Run
from nascli.training.divergence import DivergedError

SMALL = ("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"], "data.images=64")
NETWORK = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|none~2|"
ALONE = ("seeds=1", "baselines=[]", "random_genotypes=null")
ASKED = ("seeds=2", "baselines=[random,shufflenet_v2_x0_5]", "random_genotypes=2")


def parts_of(*words, listener=SILENT):
    chosen = (*SMALL, f"genotype='{NETWORK}'", "training.epochs=1", *ASKED, *words)
    return config.build(asked(composed(*chosen, verb="retrain"), "retrain"), listener)


def claimed(folder):
    made = Run.claim(folder, "retrain", "small", {})
    (made.path / "environment.json").write_text('{"choices": {}, "overrides": []}')
    return made


def lines_of(run):
    return [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]


def said(report):
    return {key: value for key, value in report.items() if key != "seconds"}


def told(lines):
    """Lines without what a clock says of them, in the order of the trainings."""
    return [{**line, "seconds": 0, "asked": 0} for line in sorted(lines, key=lambda x: x["number"])]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing came between, and its report."""
    run = claimed(tmp_path_factory.mktemp("whole"))
    return run, program.retrain(run, parts_of())


def test_every_network_is_trained_with_every_seed(whole):
    run, report = whole
    parts, lines = parts_of(), lines_of(run)
    names = ["this genotype", "random 1", "random 2", "shufflenet_v2_x0_5"]
    assert [row["network"] for row in report["networks"]] == names
    assert [line["metrics"]["seed"] for line in lines] == [0, 1] * 4
    for row, pair in zip(report["networks"], (lines[i : i + 2] for i in (0, 2, 4, 6)), strict=True):
        scores = [line["metrics"]["test_accuracy"] for line in pair]
        assert row["test_accuracies"] == scores and row["params"] == pair[1]["metrics"]["params"]
        assert row["mean_test_accuracy"] == pytest.approx(sum(scores) / 2)
        assert row["std_test_accuracy"] == pytest.approx(abs(scores[0] - scores[1]) / math.sqrt(2))
    space, kept = parts.problem.space, [parts.genotype, *list(parts.baselines.values())[:2]]
    assert len({space.canonical(genotype) for genotype in kept}) == 3
    first, *others = [row["params"] for row in report["networks"][:3]]
    assert all(0.9 * first <= other <= 1.1 * first for other in others)
    assert [one["baseline"] for one in report["comparisons"]] == ["random", "shufflenet_v2_x0_5"]
    assert len(report["verdict"]) == 2
    assert report["verdict"][0] in (run.path / "report.html").read_text()


def test_the_weights_are_those_of_the_first_seed_and_others_lie_beside_them(whole, tmp_path):
    run, report = whole
    assert [f.name for f in (run.path / "weights").iterdir()] == ["seed_1.pt"]
    first, second = run.load("weights.pt"), run.load("weights/seed_1.pt")
    assert not any(torch.equal(v, second[k]) for k, v in first.items() if v.dim() == 4)
    for seed, weights in ((0, first), (1, second)):
        single = claimed(tmp_path / str(seed))
        alone = program.retrain(single, parts_of(f"seed={seed}", *ALONE))
        assert alone["result"]["test_accuracy"] == report["networks"][0]["test_accuracies"][seed]
        assert all(torch.equal(v, weights[k]) for k, v in single.load("weights.pt").items())
        assert set(alone) == set(report) - {"verdict", "networks", "comparisons"}
        assert all("seed" not in line["metrics"] for line in lines_of(single))
        if seed == 0:
            assert (alone["result"], alone["epochs"]) == (report["result"], report["epochs"])


@pytest.mark.parametrize("ended", [1, 7])
def test_cut_off_between_any_two_it_ends_as_if_nothing_had_been(
    ended, whole, tmp_path, monkeypatch
):
    run, saved = claimed(tmp_path), Run.save_state

    def save(self, state):
        saved(self, state)
        if state["trials"] == ended and state["open"]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save_state", save)
    with pytest.raises(KeyboardInterrupt):
        program.retrain(run, parts_of())
    monkeypatch.undo()
    assert len(lines_of(run)) == ended
    heard = []
    assert said(program.retrain(run, parts_of(listener=Heard(warned=heard.append)))) == said(
        whole[1]
    )
    assert told(lines_of(run)) == told(lines_of(whole[0]))
    assert sum("training" in text and "parameters" in text for text in heard) == 8 - ended


def test_in_processes_of_their_own_they_come_to_the_same_and_go_on_at_the_last_epoch(
    whole, tmp_path, monkeypatch
):
    apart = ("workers=processes", "workers._target_=makes.InTurn")
    run, saved, fit, begun = claimed(tmp_path), Run.save_state, from_scratch.fit, []
    (run.path / genotypes.FILE).write_text(genotypes.dump(parts_of().genotype))

    def save(self, state, *name):
        saved(self, state, *name)
        if name == ("trainings/5.pt",):
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save_state", save)
    with pytest.raises(KeyboardInterrupt):
        program.retrain(run, parts_of(*apart))
    monkeypatch.undo()
    kept = {file.name for file in (run.path / "trainings").iterdir()}
    assert (len(lines_of(run)), kept) == (5, {"0.pt", "5.pt"})
    monkeypatch.setattr(
        from_scratch, "fit", lambda *a, **k: (begun.append(k["state"]), fit(*a, **k))[1]
    )
    assert said(program.retrain(run, parts_of(*apart))) == said(whole[1])
    assert told(lines_of(run)) == told(lines_of(whole[0]))
    assert [state and len(state["history"]) for state in begun] == [1, None, None]
    assert [file.name for file in (run.path / "trainings").iterdir()] == ["0.pt"]


def test_weights_of_a_supernet_are_inherited_in_this_process_alone():
    inheriting = composed(*SMALL, "workers=processes", "init=inherit", verb="retrain")
    with pytest.raises(Fault, match=r"weights of this process; take workers=serial"):
        config._workers(inheriting)


def test_one_that_fails_leaves_the_others_and_is_taken_up_again(whole, tmp_path, monkeypatch):
    run, fit = claimed(tmp_path), from_scratch.fit
    trained = []

    def failing(network, *args, **keys):
        trained.append(network)
        if len(trained) in (4, 7, 8):
            raise ValueError("out of memory")
        return fit(network, *args, **keys)

    monkeypatch.setattr(from_scratch, "fit", failing)
    report = program.retrain(run, parts_of())
    rows = report["networks"]
    assert [row["failed"] for row in rows] == [0, 1, 0, 2]
    monkeypatch.undo()
    errors = [line["error"] for line in lines_of(run)]
    assert [number for number, error in enumerate(errors) if error] == [3, 6, 7]
    assert errors[3] == "ValueError: out of memory"
    assert [one["baseline"] for one in report["comparisons"]] == ["random"]
    assert report["verdict"][2] == "shufflenet_v2_x0_5: 2 trainings failed (log.txt), left out here"
    trained.clear()
    monkeypatch.setattr(from_scratch, "fit", lambda *a, **k: (trained.append(1), fit(*a, **k))[1])
    again = program.retrain(run, parts_of())
    assert len(trained) == 3 and said(again) == said(whole[1])
    assert len(lines_of(run)) == 11
    monkeypatch.setattr(from_scratch, "fit", lambda *_args, **_keys: pytest.fail("trained again"))
    assert said(program.retrain(run, parts_of())) == said(whole[1])


def test_without_the_first_training_nothing_else_is_trained(tmp_path, monkeypatch):
    run, trained = claimed(tmp_path), []

    def failing(*_args, **_keys):
        trained.append(1)
        raise ValueError("out of memory")

    monkeypatch.setattr(from_scratch, "fit", failing)
    for tries in (1, 2):
        with pytest.raises(RuntimeError, match=r"first training failed.*: out of memory"):
            program.retrain(run, parts_of())
        assert len(trained) == tries
        assert [trial.error for trial in run.history()] == ["ValueError: out of memory"] * tries


def test_a_baseline_that_only_diverges_is_a_failed_training(tmp_path, monkeypatch):
    run, fit = claimed(tmp_path), from_scratch.fit

    def failing(network, *args, **keys):
        if type(network).__name__ == "ShuffleNetV2":
            raise DivergedError("wild")
        return fit(network, *args, **keys)

    monkeypatch.setattr(from_scratch, "fit", failing)
    parts = parts_of("seeds=1", "baselines=[shufflenet_v2_x0_5]", "random_genotypes=null")
    report = program.retrain(run, replace(parts, sizes=({"cells": 3}, {"cells": 20})))
    assert report["sizes"] == [{"size": "cells", "searched": "3", "retrained": "20"}]
    failed = lines_of(run)[1]
    assert failed["error"] == "DivergedError: wild" and "seed" in failed["metrics"]
    assert report["networks"][1]["mean_test_accuracy"] is None and report["comparisons"] == []


def test_what_can_be_shown_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(program, "looped", lambda *_args, **_keys: pytest.fail(heard[-1]))
    with pytest.raises(pytest.fail.Exception, match="random_genotypes=19 .39 whatever"):
        program.retrain(claimed(tmp_path), parts_of(listener=Heard(warned=heard.append)))
    assert "smallest p that ranks can reach is 0.333" in heard[-1]


def test_the_test_split_is_read_once_a_training_and_after_it(tmp_path, monkeypatch):
    steps, score = [], from_scratch.score
    parts = parts_of("seeds=2", "baselines=[]", "random_genotypes=null")
    names = {len(parts.problem.task.split(name)): name for name in ("train", "valid", "test")}
    assert len(names) == 3

    def scored(network, split, *args):
        steps.append(names[len(split)])
        return score(network, split, *args)

    fit = from_scratch.fit
    monkeypatch.setattr(from_scratch, "score", scored)
    monkeypatch.setattr(from_scratch, "fit", lambda *a, **k: (steps.append("fit"), fit(*a, **k))[1])
    program.retrain(claimed(tmp_path), parts)
    assert steps == ["fit", "train", "valid", "test"] * 2
