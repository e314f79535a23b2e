"""What tests hand to workers: evaluations that can be pickled, and some that go wrong."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.traits import Traits
from nascli.core.trial import Proposal, Trial
from nascli.core.workers import Evaluate, Make, Workers
from nascli.workers.serial import Serial

PROPOSAL = Proposal(Genotype.of("toy", {"a": "0"}), 0.5)


def plain(number: int, proposal: Proposal) -> Trial:
    """A trial whose accuracy is its number."""
    metrics = {"accuracy": float(number), "process": float(os.getpid())}
    return Trial(number, proposal.genotype, proposal.fidelity, metrics)


def at_fault(number: int, proposal: Proposal) -> Trial:
    raise Fault(f"trial {number} is at fault")


def with_plain() -> Evaluate:
    return plain


def with_at_fault() -> Evaluate:
    return at_fault


def loud(number: int, proposal: Proposal) -> Trial:
    print("evaluating", flush=True)
    return plain(number, proposal)


def with_loud() -> Evaluate:
    print("building")
    os.system("echo a program of the child")
    return loud


def threads(number: int, proposal: Proposal) -> Trial:
    import torch

    return replace(plain(number, proposal), metrics={"threads": torch.get_num_threads()})


def with_threads() -> Evaluate:
    return threads


def environment_threads(number: int, proposal: Proposal) -> Trial:
    threads = float(os.environ["OMP_NUM_THREADS"])
    return replace(plain(number, proposal), metrics={"threads": threads})


def with_environment_threads() -> Evaluate:
    return environment_threads


def faulty() -> Evaluate:
    raise Fault("no such data")


def broken() -> Evaluate:
    raise ValueError("a bug of ours")


DEATHS: dict[str, Callable[[], object]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(9),
    "hang": lambda: threading.Event().wait(),
    "interrupted": lambda: os.kill(os.getpid(), signal.SIGINT),
}


@dataclass(frozen=True)
class Rough:
    """Makes an evaluation in which the first `deaths` tries of trial `number` end as `how` says.

    Every try leaves a file in `folder`, which holds the process that made it.
    """

    folder: Path
    number: int = 1
    deaths: int = 1
    how: str = "killed"

    def __call__(self) -> Evaluate:
        return self._evaluate

    def _evaluate(self, number: int, proposal: Proposal) -> Trial:
        tries = len(self.tries(number))
        draft = self.folder / f".{number}-{tries}"
        draft.write_text(str(os.getpid()))
        draft.rename(self.folder / f"{number}-{tries}")
        if number == self.number and tries < self.deaths:
            DEATHS[self.how]()
        return plain(number, proposal)

    def tries(self, number: int) -> list[int]:
        """The processes that have tried the trial."""
        return [int(file.read_text()) for file in sorted(self.folder.glob(f"{number}-*"))]


def evaluated(workers: Workers, trials: int) -> dict[int, Trial]:
    """Number -> trial, each of which must come back exactly once."""
    waiting, done = list(range(trials)), list[Trial]()
    while waiting or workers.busy:
        while waiting and workers.busy < workers.capacity:
            workers.submit(waiting.pop(0), PROPOSAL)
        done += workers.wait()
    assert sorted(trial.number for trial in done) == list(range(trials))
    return {trial.number: trial for trial in done}


def running(process: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


class InTurn(Serial):
    """Workers whose evaluation came to them as to a process of its own, one after another here."""

    traits = Traits(own_processes=True)

    def __init__(
        self,
        make: Make,
        count: int | None = None,
        retries: int = 2,
        trial_seconds: float | None = None,
    ) -> None:
        super().__init__(pickle.loads(pickle.dumps(make)))
