"""What workers with processes of their own share: who does what, how often, and until when."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from nascli.core.fault import Fault
from nascli.core.traits import Traits
from nascli.core.trial import Proposal, Trial


@dataclass(frozen=True)
class Failure:
    """What a worker raised that is no error of one network; `fault`: it is the user's."""

    text: str
    fault: bool

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """`error` as plain text, with its traceback unless it is a Fault."""
        if isinstance(error, Fault):
            return cls(str(error), True)
        return cls("".join(traceback.format_exception(error)), False)

    def reraise(self) -> None:
        """Raises it in this process."""
        if self.fault:
            raise Fault(self.text)
        raise RuntimeError(f"a worker process has failed:\n{self.text}")


_KINDS = {True: "a whole number", False: "a number"}

Answer = Trial | Failure | None
"""None says that the worker has built all it needs and begins with the trial now."""


class DiedError(Exception):
    """A worker's process is gone; the message says how, e.g. "exit code -9"."""


class Worker(Protocol):
    """One process, or the place of one, that evaluates one proposal at a time."""

    @property
    def alive(self) -> bool:
        """False if it is known to be of no more use."""

    def start(self, number: int, proposal: Proposal) -> None:
        """Hands a proposal over; returns at once, even if the process has just died."""

    def answer(self) -> Answer:
        """What it says next; blocks.

        Raises:
            DiedError: its process is gone.
        """

    def end(self) -> None:
        """Kills it, whatever it is doing."""


@dataclass
class _Job:
    number: int
    proposal: Proposal
    submitted: float
    tries: int = 0
    begun: float | None = None  # None while the worker still builds

    def failed(self, error: str) -> Trial:
        """Its trial, without metrics."""
        genotype, fidelity = self.proposal.genotype, self.proposal.fidelity
        seconds = time.monotonic() - self.submitted
        return Trial(self.number, genotype, fidelity, seconds=seconds, error=error)


class Pool:
    """Keeps up to `capacity` workers; a dead one is replaced and costs nothing but its own trial.

    Args:
        capacity: how many proposals may be under way at once.
        hire: starts one more worker.
        ready: those of the given workers that have an answer; blocks for so many seconds (None:
            without end) until there is one.
        retries: how often a trial is taken up again after its worker's process has died.
        trial_seconds: how long a trial may take once its worker is ready for it; None: any time.

    Raises:
        Fault: `retries` or `trial_seconds` makes no sense.
    """

    traits = Traits(own_processes=True)

    def __init__(
        self,
        capacity: int,
        hire: Callable[[], Worker],
        ready: Callable[[Sequence[Worker], float | None], Sequence[Worker]],
        retries: int,
        trial_seconds: float | None,
    ) -> None:
        at_least("retries", retries, 0, whole=True)
        positive("trial_seconds", trial_seconds, whole=False)
        self.capacity = capacity
        self._hire, self._ready = hire, ready
        self._retries, self._limit = retries, trial_seconds
        self._busy: dict[Worker, _Job] = {}
        self._idle: list[Worker] = []

    @property
    def busy(self) -> int:
        """Proposals submitted and not yet waited for."""
        return len(self._busy)

    def submit(self, number: int, proposal: Proposal) -> None:
        """Hands a proposal to an idle worker, or to a new one."""
        self._start(_Job(number, proposal, time.monotonic()))

    def wait(self, seconds: float | None = None) -> Sequence[Trial]:
        """The trials that have ended, at least one; blocks until there is one.

        After so many `seconds` it gives none; what is under way goes on until `close`.

        Raises:
            Fault: a worker has met one.
            RuntimeError: a worker failed for a reason that is no error of one network.
        """
        end = math.inf if seconds is None else time.monotonic() + seconds
        ended: list[Trial] = []
        while not ended:
            ready = self._ready(list(self._busy), self._left(end))
            heard = [self._hear(worker) for worker in ready]
            ended = [trial for trial in heard if trial is not None] + self._overdue()
            if not ready and time.monotonic() >= end:
                break
        return ended

    def close(self) -> None:
        """Kills every worker, whatever it is doing."""
        for worker in (*self._busy, *self._idle):
            worker.end()
        self._busy.clear()
        self._idle.clear()

    def _start(self, job: _Job) -> None:
        job.tries += 1
        job.begun = None
        worker = self._free()
        self._busy[worker] = job
        worker.start(job.number, job.proposal)

    def _free(self) -> Worker:
        """An idle worker if one is alive, or a new one."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.end()
        return self._hire()

    def _hear(self, worker: Worker) -> Trial | None:
        """Takes one answer; gives the trial if that ends it."""
        job = self._busy[worker]
        try:
            answer = worker.answer()
        except DiedError as how:
            return self._died(worker, job, str(how))
        if isinstance(answer, Failure):
            answer.reraise()
        if not isinstance(answer, Trial):
            job.begun = time.monotonic()
            return None
        self._idle.append(worker)
        del self._busy[worker]
        # Its own copy of the genotype would hold a copy of the space's decisions, too.
        return replace(answer, genotype=job.proposal.genotype)

    def _died(self, worker: Worker, job: _Job, how: str) -> Trial | None:
        """Takes the trial up again, or gives it up."""
        self._drop(worker)
        if job.tries <= self._retries:
            self._start(job)
            return None
        times = "once" if job.tries == 1 else f"{job.tries} times"
        return job.failed(f"its worker process died {times}, last {how}")

    def _overdue(self) -> list[Trial]:
        """Ends what has taken too long."""
        late = {w: job for w, job in self._busy.items() if self._remaining(job) == 0}
        for worker in late:
            self._drop(worker)
        return [
            job.failed(f"took longer than workers.trial_seconds={self._limit:g}")
            for job in late.values()
        ]

    def _drop(self, worker: Worker) -> None:
        worker.end()
        del self._busy[worker]

    def _left(self, end: float) -> float | None:
        """Seconds until `end`, or until the first trial under way takes too long; None: never."""
        left = [self._remaining(job) for job in self._busy.values()]
        left += [max(0.0, end - time.monotonic())] if end < math.inf else []
        return min((seconds for seconds in left if seconds is not None), default=None)

    def _remaining(self, job: _Job) -> float | None:
        if self._limit is None or job.begun is None:
            return None
        return max(0.0, job.begun + self._limit - time.monotonic())


def positive(name: str, value: float | None, *, whole: bool) -> None:
    """Raises a Fault unless `value` is None or a number (`whole` or not) above 0."""
    if value is not None and not (_is_number(value, whole) and value > 0):
        raise Fault(f"workers.{name} is {value!r}; it must be {_KINDS[whole]} above 0, or null")


def at_least(name: str, value: float, least: int, *, whole: bool) -> None:
    """Raises a Fault unless `value` is a number (`whole` or not) of at least `least`."""
    if not (_is_number(value, whole) and value >= least):
        raise Fault(f"workers.{name} is {value!r}; it must be {_KINDS[whole]}, {least} or above")


def _is_number(value: object, whole: bool) -> bool:
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
