"""Which kernels a supernet is computed with: chosen, recorded, and said where they change."""

import json
from types import SimpleNamespace

import pytest
from fixtures import Heard

from nascli.config import values
from nascli.core.fault import Fault
from nascli.kernels.native import library
from nascli.programs import kernels
from nascli.runs.folder import Run

NATIVE = f"native {library.compiling.sources()}"


@pytest.fixture
def has(monkeypatch):
    """Says whether this machine has the library."""

    def has(it):
        tried = (object(), "") if it else (None, "there is no C compiler")
        monkeypatch.setattr(library, "_TRIED", [tried])

    return has


def computed(path, wanted, recorded, *, accelerator="cpu", shared=True):
    """What is computed with, what is on record then, and what was said."""
    run, said = Run.claim(path, "search", "x", {}), []
    environment = {
        "choices": {},
        "overrides": [],
        **({} if recorded is None else {"kernels": recorded}),
    }
    run.write_json("environment.json", environment)
    problem = SimpleNamespace(listener=Heard(warned=said.append), accelerator=accelerator)
    with kernels.computing_with(wanted, run, problem, object() if shared else None):
        used = library.load()
    written = json.loads((run.path / "environment.json").read_text())
    assert set(written) >= {"choices", "overrides"}
    return used is not None, written.get("kernels"), said


GOES_ON = "warning: this run has computed with the kernels '{}', and goes on with '{}'{}: results "
GOES_ON += "differ in rounding from here"
ALONE = "computing with PyTorch alone (there is no C compiler); with kernels compiled for this "
ALONE += "processor a supernet trains faster"


@pytest.mark.parametrize(
    ("library_is_there", "wanted", "recorded", "expected"),
    [
        (True, "auto", None, (True, NATIVE, [])),
        (True, "native", None, (True, NATIVE, [])),
        (True, "torch", None, (False, "torch", [])),
        (False, "auto", None, (False, "torch", [ALONE])),
        (False, "torch", None, (False, "torch", [])),
        (True, "auto", NATIVE, (True, NATIVE, [])),
        (True, "auto", "torch", (False, "torch", [])),
        (True, "native", "torch", (True, NATIVE, [GOES_ON.format("torch", NATIVE, "")])),
        (True, "torch", NATIVE,
         (False, "torch", [GOES_ON.format(NATIVE, "torch", " (kernels=torch)")])),
        (True, "auto", "native 0", (True, NATIVE, [GOES_ON.format("native 0", NATIVE, "")])),
        (False, "auto", NATIVE,
         (False, "torch", [GOES_ON.format(NATIVE, "torch", " (there is no C compiler)")])),
    ],
)  # fmt: skip
def test_chosen_and_recorded(tmp_path, has, library_is_there, wanted, recorded, expected):
    has(library_is_there)
    assert computed(tmp_path, wanted, recorded) == expected


def test_a_compiler_at_work_is_heard_of(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "_TRIED", [])
    monkeypatch.setattr(library.compiling, "library", lambda told: told("compiling"))
    assert computed(tmp_path, "auto", None)[2][0] == "compiling"


@pytest.mark.parametrize("where", [{"accelerator": "cuda"}, {"shared": False}])
def test_nothing_to_choose(tmp_path, has, where):
    has(True)
    assert computed(tmp_path, "auto", None, **where)[1:] == (None, [])


def test_native_kernels_that_cannot_be_had(has):
    has(False)
    with pytest.raises(Fault, match="kernels=native cannot be had: there is no C compiler; take "):
        kernels.check("native")
    kernels.check("auto")
    has(True)
    kernels.check("native")


def test_runs_from_before_there_was_a_choice_go_on_with_torch():
    assert values.kernels({"seed": 0}) == "torch"
    assert values.kernels({"kernels": "auto"}) == "auto"
