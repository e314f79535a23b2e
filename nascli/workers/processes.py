"""Several processes on this machine."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, cast

from nascli.core import cores
from nascli.core.trial import Proposal
from nascli.core.workers import Make
from nascli.workers.pool import Answer, DiedError, Failure, Pool, Worker, positive

# Spawned, never forked: a fork copies torch's locks and thread pools in whatever state they are.
_CONTEXT = multiprocessing.get_context("spawn")


class Processes(Pool):
    """Every process builds space, data and estimators once and then takes one trial at a time.

    The cores are shared out: a process computes with cores // count threads (at least one, and no
    more than OMP_NUM_THREADS says) unless `make` sets another number. A process ends when its
    parent does, however that ends.

    Args:
        make: builds what evaluates; it is pickled.
        count: how many processes; None: one for every core that this process may use.
        retries: how often a trial is taken up again after its process has died.
        trial_seconds: how long a trial may take; None: any time. One that takes longer has failed.

    Raises:
        Fault: a number makes no sense.
    """

    def __init__(
        self,
        make: Make,
        count: int | None = None,
        retries: int = 2,
        trial_seconds: float | None = None,
    ) -> None:
        positive("count", count, whole=True)
        number = count or cores.usable()
        threads = max(1, cores.usable() // number)
        super().__init__(number, lambda: _Process(make, threads), _ready, retries, trial_seconds)
        atexit.register(self.close)  # or else the end of the program would wait for the children


class _Process:
    """One child process and the pipe to it."""

    def __init__(self, make: Make, threads: int) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        arguments = (theirs, threads)
        self._process = _CONTEXT.Process(target=_serve, args=arguments)
        with _interrupts_held():
            self._process.start()
        theirs.close()
        self._send(make)

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def start(self, number: int, proposal: Proposal) -> None:
        self._send((number, proposal))

    def answer(self) -> Answer:
        try:
            return cast(Answer, self.pipe.recv())
        except (EOFError, OSError):
            self.end()
            raise DiedError(f"exit code {self._process.exitcode}") from None

    def end(self) -> None:
        self._process.kill()  # of no effect, on the exit code either, if it has died already
        self._process.join()
        self.pipe.close()

    def _send(self, message: object) -> None:
        with suppress(OSError):  # it has died: the next `answer` says how
            self.pipe.send(message)


def _ready(workers: Sequence[Worker], timeout: float | None) -> Sequence[Worker]:
    """The processes whose pipe has an answer, or has broken."""
    pipes = {cast(_Process, worker).pipe: worker for worker in workers}
    return [pipes[cast(Connection, pipe)] for pipe in connection.wait(list(pipes), timeout)]


def _serve(pipe: Connection[Any, Any], threads: int) -> None:
    """What a child does: builds once, then takes proposals; imports torch only after `threads`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with suppress(OSError):
        os.dup2(2, 1)  # stdout belongs to the run folder's path
    given = os.environ.get("OMP_NUM_THREADS", "")
    os.environ["OMP_NUM_THREADS"] = str(min(threads, int(given) if given.isdigit() else threads))
    try:
        evaluate = pipe.recv()()
        while True:
            number, proposal = pipe.recv()
            pipe.send(None)
            pipe.send(evaluate(number, proposal))
    except BaseException as error:
        with suppress(OSError):  # the parent is gone
            pipe.send(Failure.of(error))


def _leave_with_parent() -> None:
    """Ends this process, in the middle of a trial too, once its parent has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keeps Ctrl-C from a child that has not yet come to ignore it; the parent gets it after."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # at its own start it would let them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
