"""What an epoch of a search's training costs: time, memory and energy."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nascli.core.energy import POWERCAP, Rapl
from nascli.core.fault import Fault


class EpochCost:
    """Means over the epochs that were measured.

    `search_epoch_seconds`; `search_memory_mb`, the largest that the process (on a GPU: torch) ever
    held, in 1,000,000 bytes; `search_epoch_joules`, what the processors' own counters say of all
    that ran on them (Intel's and AMD's RAPL), left out where they cannot be read and on a GPU.
    """

    def __init__(self, accelerator: str, counters: Path = POWERCAP) -> None:
        self._accelerator = accelerator
        self._counter: Rapl | None = None
        if accelerator == "cpu":
            with suppress(Fault):
                self._counter = Rapl(counters)
        self._epochs = 0
        self._seconds = self._joules = 0.0

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """Measures what happens within."""
        before, start = self._used(), time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start
        self._epochs += 1
        self._joules += (self._used() - before) / 1e3

    def metrics(self) -> dict[str, float]:
        """The means so far; empty before the first epoch."""
        if not self._epochs:
            return {}
        found = {"search_epoch_seconds": self._seconds / self._epochs}
        memory = self.memory
        if memory:
            found["search_memory_mb"] = memory / 1e6
        if self._counter:
            found["search_epoch_joules"] = self._joules / self._epochs
        return found

    @property
    def memory(self) -> int:
        """The largest that the process (on a GPU: torch) ever held, in bytes; 0: not known."""
        if self._accelerator == "cuda":
            import torch

            return int(torch.cuda.max_memory_allocated())
        try:
            import resource
        except ImportError:  # Windows does not tell
            return 0
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most  # kilobytes but on a Mac

    def _used(self) -> float:
        """Millijoules so far; 0 where they cannot be read, or not any more."""
        try:
            return self._counter.millijoules() if self._counter else 0.0
        except Fault:  # a training does not end for that
            self._counter = None
            return 0.0
