import dataclasses
import json

import pytest
import torch
from fixtures import ToySpace

from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault
from nascli.core.listed import Listed
from nascli.core.loop import Search
from nascli.core.space import at
from nascli.programs.recording import looped
from nascli.runs.folder import Run
from nascli.workers.serial import Serial


class Counted:
    """An estimator with a state, saved whenever it is asked."""

    metrics = ("accuracy",)
    meaning = ""
    asked = 0

    def prepare(self, save):
        self.save = save

    def estimate(self, proposal):
        self.asked += 1
        self.save()
        return {"accuracy": 1.0}

    def state_dict(self):
        return {"asked": self.asked}

    def load_state_dict(self, state):
        self.asked = int(state["asked"])


@pytest.fixture
def begun(problem, tmp_path):
    """A function that goes on with a search of six genotypes, of which three are on record."""

    def go_on(count=6):
        evaluation = Evaluation(problem, [Counted()])
        listed = Listed(problem, [at(ToySpace(), n) for n in (0, 1, 3, 4, 5, 7)][:count])
        search = Search(listed, evaluation, Serial(lambda: evaluation), Budget())
        run = Run(tmp_path)
        try:
            looped(run, search)
        finally:
            run.close()
        return search

    go_on(3)
    return go_on


def test_it_goes_on(begun):
    assert [trial.number for trial in begun().history] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("open", float("nan")),
        ("open", {0: 3}),
        ("open", {"x": {}}),
        ("open", {0: {"genotype": {}, "fidelity": 1.0, "asked": 0.0}}),
        ("seconds", "x"),
        ("seconds", float("inf")),
        ("number", {}),
        ("number", -1),
        ("strategy", None),
        ("strategy", {"next": torch.zeros(3)}),
        ("estimators", 3),
        ("estimators", [torch.zeros(1)]),
        ("estimators", [{"asked": []}]),
    ],
)
def test_a_state_that_holds_something_else(key, value, sealed, begun, tmp_path):
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    if not sealed:  # as earlier versions wrote it
        del state["seal"]
        state["format"] = 2
    torch.save(state | {key: value}, tmp_path / "state.pt")
    before = (tmp_path / "history.jsonl").read_bytes()
    with pytest.raises(Fault, match=r"state.pt.* does not belong to this search"):
        begun()
    assert (tmp_path / "history.jsonl").read_bytes() == before


def test_a_proposal_of_another_space_is_not_waited_for(begun, tmp_path):
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["seal"]
    waiting = {"genotype": {"space": "toy", "choices": {"a": "9"}}, "fidelity": 1.0, "asked": 0.0}
    torch.save(state | {"format": 2, "open": {0: waiting}}, tmp_path / "state.pt")
    with pytest.raises(Fault, match="does not belong to this search .*does not say what to take"):
        begun()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metrics": {}}, "trial 0 in '.*' is damaged: accuracy is missing"),
        ({"metrics": {"accuracy": float("nan")}}, "trial 0 in '.*' is damaged: accuracy is nan"),
        ({"fidelity": 0.5}, "trial 0 is .* at fidelity 0.5, but the strategy proposes .* at 1"),
        ({"asked": 2**62}, r"proposals are said to have been asked for at once"),
        ({"number": 10**9, "asked": 0}, r"proposals are said to have been asked for at once"),
    ],
)
def test_a_line_that_no_search_has_written(change, says, begun, tmp_path):
    (tmp_path / "state.pt").unlink()
    file = tmp_path / "history.jsonl"
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([json.dumps(json.loads(first) | change), *others, ""]))
    with pytest.raises(Fault, match=says):
        begun()


def test_a_failed_trial_needs_no_figures(begun, tmp_path):
    (tmp_path / "state.pt").unlink()
    file = tmp_path / "history.jsonl"
    first, *others = file.read_text().splitlines()
    file.write_text(
        "\n".join([json.dumps(json.loads(first) | {"metrics": {}, "error": "x"}), *others, ""])
    )
    assert len(begun().history) == 6


def test_a_number_comes_back_as_it_was_written(problem, tmp_path):
    from nascli.core import history_file
    from nascli.core.trial import Trial

    trial = Trial(0, at(ToySpace(), 0), 1.0, {"params": 1045466, "accuracy": 50.0})
    line = history_file.line(trial)
    (entry,) = history_file.entries(line, tmp_path)
    assert history_file.line(entry.trial) == line
    assert dataclasses.asdict(entry.trial) == dataclasses.asdict(trial)
