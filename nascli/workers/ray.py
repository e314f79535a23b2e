"""Ray: several processes on this machine, or on all machines of a cluster."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout, suppress
from functools import lru_cache
from typing import Any, cast

from nascli.core.fault import Fault, first_line
from nascli.core.trial import Proposal
from nascli.core.words import counted
from nascli.core.workers import Evaluate, Make
from nascli.workers.pool import Answer, DiedError, Failure, Pool, Worker, at_least, positive

_STORE = 100 << 20  # bytes that a Ray of our own keeps objects in; trials are a few hundred each
_Packed = tuple[tuple[str, ...], bytes]  # the driver's sys.path, and `make` pickled


class Ray(Pool):
    """Every trial is a Ray task; a process that Ray uses again need not build anything again.

    Ray finds each task a place, so a machine that is lost takes no place of the search with it.
    The machines of a cluster need the same nascli, and the run folder on a disk that they share.

    Args:
        make: builds what evaluates; it is pickled.
        count: how many trials at once; None: as many as the cluster has room for.
        address: of a cluster that this machine is of, or "auto"; None: a Ray of our own on this
            machine, which ends with the search.
        cpus: cores for each trial.
        gpus: GPUs for each trial, or the share of one; with 0 its process sees none.
        retries: how often a trial is taken up again after its process has died.
        trial_seconds: how long a trial may take; None: any time. One that takes longer has failed.

    Raises:
        Fault: Ray is not installed or not to be reached, or a number makes no sense.
    """

    def __init__(
        self,
        make: Make,
        count: int | None = None,
        address: str | None = None,
        cpus: int = 1,
        gpus: float = 0,
        retries: int = 2,
        trial_seconds: float | None = None,
    ) -> None:
        positive("count", count, whole=True)
        at_least("cpus", cpus, 1, whole=True)
        at_least("gpus", gpus, 0, whole=False)
        super().__init__(count or 1, self._place, self._answered, retries, trial_seconds)
        with ExitStack() as leaving:
            leaving.enter_context(redirect_stdout(sys.stderr))  # Ray tells it of processes that die
            self._ray = _connected(address, leaving)
            self.capacity = count or _room(self._ray.cluster_resources(), cpus, gpus)
            self._make = self._ray.put((tuple(sys.path), pickle.dumps(make)))
            self._task = self._ray.remote(_evaluated).options(
                num_cpus=cpus, num_gpus=gpus, max_retries=0, num_returns="streaming"
            )
            self._leaving = leaving.pop_all()

    def close(self) -> None:
        """Kills every trial under way; ends Ray, or leaves the cluster."""
        super().close()
        self._leaving.close()

    def _place(self) -> _Place:
        return _Place(self._ray, self._task, self._make)

    def _answered(self, workers: Sequence[Worker], timeout: float | None) -> Sequence[Worker]:
        """The first of the places that has an answer, if there is one in time."""
        places = {cast(_Place, worker).answers: worker for worker in workers}
        done, _ = self._ray.wait(list(places), num_returns=1, timeout=timeout)
        return [places[answers] for answers in done]


class _Place:
    """Room for one task at a time; Ray finds the process."""

    alive = True

    def __init__(self, ray: Any, task: Any, make: Any) -> None:
        self._ray, self._task, self._make = ray, task, make
        self.answers: Any = None

    def start(self, number: int, proposal: Proposal) -> None:
        self.answers = self._task.remote(self._make, number, proposal)

    def answer(self) -> Answer:
        try:
            return cast(Answer, self._ray.get(next(self.answers)))
        except self._ray.exceptions.RayTaskError as error:
            return Failure(str(error), fault=False)
        except self._ray.exceptions.RayError as error:
            raise DiedError(f"message: {first_line(error)}") from None

    def end(self) -> None:
        if self.answers is not None:
            with suppress(self._ray.exceptions.RayError):  # it has ended meanwhile
                self._ray.cancel(self.answers, force=True)


def _evaluated(make: _Packed, number: int, proposal: Proposal) -> Iterator[Answer]:
    """The task: says None when it has built all it needs, then the trial."""
    try:
        evaluate = _built(*make)
        yield None
        yield evaluate(number, proposal)
    except Exception as error:
        yield Failure.of(error)


@lru_cache(maxsize=1)
def _built(places: tuple[str, ...], make: bytes) -> Evaluate:
    """What `make` makes, with the modules of the driver at hand."""
    sys.path += [place for place in places if place not in sys.path]
    return cast(Make, pickle.loads(make))()


def _connected(address: str | None, leaving: ExitStack) -> Any:
    """Ray, quiet and running; `leaving` ends what is ours of it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would say so on the terminal
    try:
        import ray
    except ImportError as error:
        raise Fault("workers=ray needs Ray: pip install 'nascli[ray]'") from error
    if ray.is_initialized():
        return ray
    try:
        _check_reachable(address or "")
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            object_store_memory=None if address else _STORE,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, ValueError, RuntimeError) as error:
        where = f"no Ray cluster at workers.address={address}" if address else "Ray did not start"
        raise Fault(f"{where}: {first_line(error)}") from error
    leaving.callback(ray.shutdown)
    return ray


def _check_reachable(address: str) -> None:
    """Raises an OSError for a HOST:PORT where nothing listens; Ray itself would try for minutes."""
    if address.startswith("ray://"):
        raise Fault(
            f"workers.address is {address}, but Ray Client cannot run a search: start nas on a "
            "machine of the cluster (ray start --address=HOST:PORT) with workers.address=auto"
        )
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _room(resources: dict[str, float], cpus: int, gpus: float) -> int:
    """How many trials a cluster has room for."""
    rooms = [int(resources.get("CPU", 0) // cpus)]
    if gpus:
        rooms.append(int(resources.get("GPU", 0) / gpus + 1e-9))
    if min(rooms) < 1:
        raise Fault(
            f"a trial needs {counted(cpus, 'core')} and {gpus:g} GPU{'' if gpus == 1 else 's'} "
            "(workers.cpus, workers.gpus), but the cluster has "
            f"{resources.get('CPU', 0):g} and {resources.get('GPU', 0):g}"
        )
    return min(rooms)
