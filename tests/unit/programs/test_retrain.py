"""A training from scratch as a trial: what is saved, what goes on, what is taken up again."""

import json
from dataclasses import replace

import pytest
import torch
from fixtures import TINY, TINY_SPACE, Heard, asked, composed

from nascli.config import retrain as config
from nascli.core.fault import Fault
from nascli.core.listener import SILENT
from nascli.core.space import at
from nascli.core.trial import Trial
from nascli.programs import from_scratch
from nascli.programs import retrain as program
from nascli.runs.folder import STATE, Run
from nascli.training.divergence import DivergedError

SMALL = ("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"], "data.images=64")
NETWORK = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|none~2|"


def parts_of(*words, epochs=2, listener=SILENT):
    chosen = (*SMALL, f"genotype='{NETWORK}'", f"training.epochs={epochs}", *words)
    return config.build(asked(composed(*chosen, verb="retrain"), "retrain"), listener)


@pytest.fixture
def run(tmp_path):
    made = Run.claim(tmp_path, "retrain", "small", {})
    (made.path / "environment.json").write_text('{"choices": {}, "overrides": []}')
    return made


class Stopped(Exception):
    pass


def said(report):
    return {key: value for key, value in report.items() if key != "seconds"}


def test_killed_after_an_epoch_it_ends_as_if_nothing_had_come_between(run, tmp_path, monkeypatch):
    whole = program.retrain(run, parts_of())
    other = Run.claim(tmp_path, "retrain", "killed", {})
    (other.path / "environment.json").write_text('{"choices": {}, "overrides": []}')
    saved = Run.save_state

    def save(self, state):
        saved(self, state)
        raise Stopped

    monkeypatch.setattr(Run, "save_state", save)
    with pytest.raises(RuntimeError, match="the training failed: Stopped"):
        program.retrain(other, parts_of())
    monkeypatch.undo()
    kept = torch.load(other.path / STATE, weights_only=True)
    assert len(kept["estimators"][0]["training"]["history"]) == 1
    again = program.retrain(other, parts_of())
    assert said(again) == said(whole)
    lines = [json.loads(x) for x in (other.path / "history.jsonl").read_text().splitlines()]
    assert [line["error"] for line in lines] == ["Stopped: ", None]


def test_a_finished_one_is_not_trained_again(run, monkeypatch):
    whole = program.retrain(run, parts_of())
    monkeypatch.setattr(from_scratch, "fit", lambda *_args, **_keys: pytest.fail("trained again"))
    assert said(program.retrain(run, parts_of())) == said(whole)
    assert len(run.history()) == 1


def test_without_its_weights_it_is_scored_anew(run):
    whole = program.retrain(run, parts_of())
    (run.path / program.WEIGHTS).unlink()
    assert said(program.retrain(run, parts_of())) == said(whole)
    assert (run.path / program.WEIGHTS).is_file()


def test_the_state_of_another_network_is_not_gone_on_with(run):
    parts = parts_of()
    training = from_scratch.FromScratch(run, parts.networks)
    training.load_state_dict({"genotype": at(parts.problem.space, 7).to_json(), "training": {}})
    assert not training.finished(Trial(0, parts.genotype, 1.0))
    assert training.epochs == []


def test_the_page_leads_on_by_keys_that_its_verbs_have(run):
    asked_for = []
    parts = replace(parts_of(epochs=1), then=lambda *words: asked_for.append(words) or "")
    program.retrain(run, parts)
    assert sorted(verb for verb, *_ in asked_for) == ["export", "predict", "retrain"]
    for verb, *words in asked_for:
        keys = {word.partition("=")[0] for word in words}
        assert keys <= set(composed(verb=verb)) | {"format"}, (verb, keys)  # format: a group


def test_one_that_diverges_goes_back_to_its_last_good_epoch_with_a_tenth_of_the_step(
    run, tmp_path, monkeypatch
):
    whole = program.retrain(run, parts_of())["epochs"]
    other = Run.claim(tmp_path, "retrain", "diverged", {})
    (other.path / "environment.json").write_text('{"choices": {}, "overrides": []}')
    looks, said = [], []

    def check(weights, what):
        looks.append(what)
        if len(looks) == 2:
            for weight in weights:
                weight.data.fill_(torch.nan)  # neither are they to be found again
            raise DivergedError("wild")

    monkeypatch.setattr("nascli.training.fit.check", check)
    report = program.retrain(other, parts_of(listener=Heard(warned=said.append)))
    assert report["epochs"][0] == whole[0]
    rates = [epochs[1]["learning_rate"] for epochs in (whole, report["epochs"])]
    assert rates[1] == pytest.approx(rates[0] / 10)
    assert report["epochs"][1]["train_loss"] != whole[1]["train_loss"]
    words = "epoch 2 diverged (wild): going back to the end of epoch 1, with a tenth of the step"
    assert [text for text in said if text.startswith("epoch")] == [words]


def test_one_that_can_only_diverge_is_the_users_fault_and_says_what_to_change(run):
    said = []
    for tries in range(2):  # it was gone on with
        parts = parts_of("training.learning_rate=1e20", listener=Heard(warned=said.append))
        with pytest.raises(Fault, match=r"epoch 1 diverged again.* smaller training.learning_rate"):
            program.retrain(run, parts)
        assert run.history() == [], tries
    assert sum("going back to the start" in text for text in said) == 1
