"""What a process under torchrun says and does when another one, or a training, fails."""

from pathlib import Path

import pytest

from nascli import cli
from nascli.core.fault import Fault, Stopped
from nascli.programs.together import follow, whole
from nascli.training.divergence import DivergedError
from nascli.training.together import ALONE, Together

BOTH = Together(0, 2)
LOST = RuntimeError("[pair.cc:561] Connection closed by peer [127.0.0.1]:52876")


@pytest.mark.parametrize(
    ("together", "error", "raised", "says"),
    [
        (BOTH, LOST, Stopped, r"one of 2 processes .*: the connection to another one is lost; .*"
                              r"resume=a/run, under torchrun"),
        (BOTH, MemoryError("no more"), Stopped, "none goes on: MemoryError: no more;"),
        (BOTH, DivergedError("wild"), DivergedError, "wild"),
        (BOTH, Fault("disk"), Fault, "^disk$"),
        (ALONE, RuntimeError("alone"), RuntimeError, "^alone$"),
    ],
)  # fmt: skip
def test_a_process_that_fails_ends_the_program_and_not_one_training(together, error, raised, says):
    with pytest.raises(raised, match=says), whole(together, Path("a/run")):
        raise error


def test_one_that_follows_says_which_it_is_and_what_has_failed():
    class Told(Together):
        def told(self):
            raise MemoryError("no more")

    with pytest.raises(Fault, match=r"^process 2 of 3 has ended early: MemoryError: no more$"):
        follow(Told(1, 3), lambda plain: plain)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_search_under_torchrun_is_refused_by_name_and_once(rank, monkeypatch, capsys):
    given = {"TORCHELASTIC_RUN_ID": "none", "RANK": str(rank), "WORLD_SIZE": "2"}
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    assert cli._main(["search", "strategy=random"]) == 2
    said = capsys.readouterr().err
    assert ("nas search runs in one process: start it without torchrun" in said) == (rank == 0)
    assert bool(said) == (rank == 0)
