"""A run that has ended is not gone on with, unless more is asked of it."""

import json
import os

import pytest
from fixtures import asked
from omegaconf import OmegaConf

from nascli.config.ended import already
from nascli.core import history_file
from nascli.core.genotype import Genotype
from nascli.core.trial import Trial

MARKS = {
    "search": "strategy",
    "retrain": "genotype",
    "audit": "reference",
    "scale": "depth_rounding",
}
FILES = (
    "config.yaml",
    "environment.json",
    "history.jsonl",
    "state.pt",
    "weights.pt",
    "report.json",
    "report.html",
)


@pytest.fixture
def folder(tmp_path):
    """A run folder whose files were written one after another, the page last."""

    def made(verb="search", **report):
        found = {"verb": verb, **report}
        texts = {"config.yaml": json.dumps({MARKS[verb]: "x"}), "report.json": json.dumps(found)}
        for second, name in enumerate(FILES):
            (tmp_path / name).write_text(texts.get(name, ""), encoding="utf-8")
            os.utime(tmp_path / name, (second, second))
        return tmp_path

    return made


def found(folder, *words, verb="search"):
    config = OmegaConf.create({"resume": str(folder)})
    return already(asked(config, verb, [f"resume={folder}", *words]))


@pytest.mark.parametrize("verb", MARKS)
def test_one_that_has_ended_is_left_as_it_is(folder, verb):
    path, said = found(folder(verb), verb=verb)
    assert path == folder(verb)
    assert said.startswith(f"nas {verb}: {path} has ended already; it is left as it is\nreport: ")


def test_why_it_has_ended_and_how_it_goes_on_is_said(folder):
    path, said = found(folder(ended="budget.trials=30 is used up"), "outputs=elsewhere")
    assert "has ended already (budget.trials=30 is used up)" in said
    assert f"to go on with it: nas search resume={path} budget.trials=MORE\n" in said


@pytest.mark.parametrize("words", ["budget.trials=40", "accelerator=cpu", "data.path=there"])
def test_one_of_which_more_is_asked_goes_on(folder, words):
    assert found(folder(), words) is None


@pytest.mark.parametrize("name", ["history.jsonl", "state.pt", "config.yaml"])
def test_one_with_something_newer_than_its_page_goes_on(folder, name):
    path = folder()
    os.utime(path / name, (9, 9))
    assert found(path) is None


def test_what_is_no_ended_run_of_the_verb_is_left_to_the_command(folder):
    assert found(folder("retrain")) is None
    assert found(folder(genotype=None)) is None  # it has no answer: the command says why
    assert found(folder() / "nowhere") is None
    path = folder()
    (path / "report.html").unlink()
    assert found(path) is None


FAILED = Trial(1, Genotype("cell", ("a",), ("b",)), 1.0, {}, error="it fell over")


def test_trainings_that_failed_or_whose_weights_are_gone_are_taken_up_again(folder):
    path = folder("retrain")
    (path / "history.jsonl").write_bytes(history_file.line(FAILED))
    os.utime(path / "history.jsonl", (2, 2))
    assert found(path, verb="retrain") is None
    path = folder("retrain")
    assert found(path, verb="retrain") is not None
    (path / "weights.pt").unlink()
    assert found(path, verb="retrain") is None


def test_one_that_a_fault_has_stopped_goes_on_to_say_it_again(folder):
    assert found(folder(ended="the policy diverged: start a new run")) is None
    assert (
        found(folder("scale", ended="x failed; go on with: nas scale resume=x"), verb="scale")
        is None
    )


@pytest.mark.parametrize(
    "reason", ["all 4 genotypes of the space are known", "the strategy has no more epochs"]
)
def test_the_reasons_of_the_loop_are_ends(folder, reason):
    assert found(folder(ended=reason)) is not None
