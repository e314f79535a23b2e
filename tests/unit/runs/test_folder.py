import json
import os
from pathlib import Path

import pytest

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.trial import Trial
from nascli.runs import folder as module
from nascli.runs.folder import Checkpoint, Run

FILES = {"config.yaml": "seed: 0\n"}


def trial(number):
    return Trial(number, Genotype.of("toy", {"a": "0"}), 1.0, {"accuracy": number / 7})


@pytest.fixture
def run(tmp_path):
    return Run.claim(tmp_path, "search", "darts_cell", FILES)


def test_a_folder_is_claimed_whole_and_once(tmp_path, monkeypatch):
    class Clock:
        @staticmethod
        def now():
            from datetime import datetime

            return datetime(2026, 1, 31, 14, 5, 9)

    monkeypatch.setattr(module, "datetime", Clock)
    runs = [Run.claim(tmp_path, "search", "darts_cell", FILES) for _ in range(3)]
    names = [r.path.name for r in runs]
    assert names[0] == "2026-01-31_14-05-09_darts_cell"
    assert names[1:] == [f"{names[0]}-2", f"{names[0]}-3"]
    assert sorted(p.name for p in (tmp_path / "search").iterdir()) == sorted(names)
    assert all((r.path / "config.yaml").read_text() == "seed: 0\n" for r in runs)


def test_trials_come_back_as_they_were(run):
    for number in range(3):
        run.append(trial(number))
    assert run.history() == [trial(number) for number in range(3)]


def test_a_line_cut_short_is_dropped_from_the_file_too(run):
    run.append(trial(0))
    file = run.path / "history.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:-5])
    again = Run(run.path)
    assert again.history() == [trial(0)]
    again.append(trial(1))
    assert again.history() == [trial(0), trial(1)]


def test_a_damaged_line_is_named(run):
    run.append(trial(0))
    with (run.path / "history.jsonl").open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(Fault, match="line 2 is damaged"):
        run.history()


def test_a_full_disk_leaves_whole_lines(run, monkeypatch):
    run.append(trial(0))

    class Full:
        def __init__(self, file):
            self.file = file

        def write(self, line):
            self.file.write(line[:10])
            raise OSError(28, "No space left on device")

        def __getattr__(self, name):
            return getattr(self.file, name)

    run._history = Full(run._history)
    with pytest.raises(Fault, match="No space left on device; what was written before is intact"):
        run.append(trial(1))
    assert Run(run.path).history() == [trial(0)]


def test_state_is_replaced_in_one_step(run, monkeypatch):
    import torch

    run.save_state({"trials": 1, "weights": torch.arange(3)})
    assert run.load_state("trials")["weights"].tolist() == [0, 1, 2]

    def broken(_data, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(Fault, match="No space left"):
        run.save_state({"trials": 2})
    assert run.load_state("trials")["trials"] == 1
    assert not list(run.path.glob(".state*"))


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_state_from_others_runs_no_code(run, tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    torch.save({"trials": Evil()}, run.path / "state.pt")
    with pytest.raises(Fault, match="is corrupt or was not written by nascli"):
        run.load_state("trials")
    assert not (tmp_path / "pwned").exists()


def test_a_checkpoint_of_another_kind_is_a_fault(run):
    run.save_state({"training": 1})
    with pytest.raises(Fault, match="not a checkpoint of this kind of run"):
        run.load_state("trials", "strategy")


def test_a_checkpoint_says_its_format(run):
    run.save_state({"trials": 1})
    kept = run.load("state.pt")
    assert (kept["format"], kept["trials"]) == (3, 1)
    assert run.load_state("trials") == {"trials": 1}
    run.save("state.pt", {"trials": 1})  # as the first format was
    assert run.load_state("trials") == {"trials": 1}


def test_an_old_checkpoint_comes_in_todays_layout(run, monkeypatch):
    monkeypatch.setattr(module.aliases, "STATES", {"old": "new"})
    run.save("state.pt", {"old": 1})
    assert run.load_state("new") == {"old": 1, "new": 1}
    run.save_state({"old": 1})
    assert run.load_state("old") == {"old": 1}


def test_a_newer_checkpoint_is_a_fault(run):
    run.save("state.pt", {"format": 4, "trials": 1})
    with pytest.raises(
        Fault, match=r"has format 4, and this nascli reads formats up to 3: a newer"
    ):
        run.load_state("trials")


@pytest.mark.parametrize("written", ["x", None, -1, 0, True, 2.0, [], 10**40])
def test_a_format_that_is_none(run, written):
    run.save("state.pt", {"format": written, "trials": 1})
    with pytest.raises(Fault, match=r"is not a checkpoint|has format 1000"):
        run.load_state("trials")


@pytest.mark.parametrize(
    "change",
    [
        {"trials": 2},
        {"trials": 1.0},
        {"trials": True},
        {"more": None},
        {"weights": [[1.5], {"a": (1, 2)}]},
        {"seal": None},
        {"format": 2},
    ],
)
def test_a_checkpoint_that_somebody_has_changed(run, change):
    import torch

    state = {"trials": 1, "weights": [torch.ones(2), {"a": (1, 2)}], "nothing": None}
    run.save_state(state)
    assert str(run.load_state("trials")) == str(state)
    run.save("state.pt", run.load("state.pt") | change)
    with pytest.raises(Fault, match="does not belong to this search, for it holds something else"):
        run.load_state("trials")
    run.save_state(state)
    run.save("state.pt", run.load("state.pt") | {"weights": [torch.zeros(2), {"a": (1, 2)}]})
    with pytest.raises(Fault, match="does not belong to this search, for it holds something else"):
        run.load_state("trials")


def test_a_checkpoint_without_a_seal_is_of_an_earlier_version(run):
    run.save("state.pt", {"format": 2, "trials": 1})
    assert run.load_state("trials") == {"trials": 1}
    run.save("state.pt", {"format": 3, "trials": 1})
    with pytest.raises(Fault, match="does not belong to this search"):
        run.load_state("trials")


def test_only_one_process_writes(run):
    with pytest.raises(Fault, match="another process is writing"):
        Run.open(run.path)


@pytest.mark.parametrize(("make", "says"), [(False, "no run folder at"), (True, "is not a run")])
def test_what_is_no_run_folder(tmp_path, make, says):
    folder = tmp_path / "folder"
    if make:
        folder.mkdir()
    with pytest.raises(Fault, match=says):
        Run.open(folder)


def test_whole_files_are_never_half_written(run):
    run.write_json("figures/one.json", {"a": 1})
    assert json.loads((run.path / "figures" / "one.json").read_text()) == {"a": 1}
    assert [p.name for p in (run.path / "figures").iterdir()] == ["one.json"]


def test_a_log_that_cannot_be_written_is_no_fault():
    Run(Path("/no/such/folder")).log("unheard")


def test_a_checkpoint_waits_until_it_is_worth_it(run, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    saved = []
    monkeypatch.setattr(run, "save_state", saved.append)
    checkpoint = Checkpoint(run)
    checkpoint.maybe(lambda: "early")
    now[0] += 0.9
    checkpoint.maybe(lambda: "still early")
    assert saved == []
    now[0] += 30.0
    checkpoint.maybe(lambda: "due")
    checkpoint.maybe(lambda: "too soon again")
    assert saved == ["due"]
