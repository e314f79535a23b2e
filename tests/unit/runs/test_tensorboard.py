"""What TensorBoard is told of a run."""

import json
import math

import pytest
from fixtures import Heard, ToySpace

from nascli.core.fault import Fault
from nascli.core.space import at
from nascli.core.trial import Trial
from nascli.runs import tensorboard
from nascli.runs.folder import Run
from nascli.runs.tensorboard import TensorBoard

TRIAL = Trial(3, at(ToySpace(), 1), 1.0, {"accuracy": 91.5, "macs": math.nan}, 2.0)


class Writer:
    def __init__(self):
        self.points = []

    def add_scalar(self, name, value, step):
        self.points.append((name, value, step))

    def flush(self):
        pass


def test_without_it_the_line_that_installs_it_is_said(monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(Fault, match=r"pip install 'nascli\[tensorboard\]'$"):
        TensorBoard(Heard())


def test_trials_and_epochs_are_points_and_all_is_handed_on(monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: name)
    said = []
    board = TensorBoard(Heard(progress=lambda *what: said.append(what), warned=said.append))
    board._writer = writer = Writer()
    board.trial(TRIAL)
    board.epoch("random 1, seed 0", {"epoch": 2, "train_loss": 0.5})
    board.progress(0.5, "half")
    board.warn("warned")
    points = [("trial/accuracy", 91.5, 3), ("trial/seconds", 2.0, 3)]
    assert writer.points == [*points, ("random 1, seed 0/train_loss", 0.5, 2)]
    assert said == [(0.5, "half"), "warned"]


def test_a_run_folder_holds_what_was_asked_for(tmp_path):
    read = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = Run.claim(tmp_path, "search", "board", {})
    board = TensorBoard(Heard())
    settings = {"seed": 3, "training": {"epochs": 4, "betas": [0.5, 0.9], "none": None}}
    board.begin(run, settings, {"accuracy": "max"})
    board.trial(TRIAL)
    found = read.EventAccumulator(str(run.path / tensorboard.FOLDER)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("trial/accuracy")] == [(3, 91.5)]
    (event,) = found.Tensors("config/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    assert json.loads(text) == settings
    assert "_hparams_/session_start_info" in found.summary_metadata
