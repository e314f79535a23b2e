"""What an epoch of a search's training costs: time, memory and energy."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_COUNTERS = Path("/sys/class/powercap")


class EpochCost:
    """Means over the epochs that were measured.

    `search_epoch_seconds`; `search_memory_mb`, the largest that the process (on a GPU: torch) ever
    held, in 1,000,000 bytes; `search_epoch_joules`, what the processors' own counters say of all
    that ran on them (Intel's and AMD's RAPL), left out where they cannot be read and on a GPU.
    """

    def __init__(self, accelerator: str, counters: Path = _COUNTERS) -> None:
        self._accelerator = accelerator
        zones = sorted(counters.glob("intel-rapl:?")) if accelerator == "cpu" else []
        self._zones = zones if _read(zones) else []
        self._epochs = 0
        self._seconds = self._joules = 0.0

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """Measures what happens within."""
        before, start = _read(self._zones), time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start
        self._epochs += 1
        for zone, first, last in zip(self._zones, before, _read(self._zones), strict=False):
            turn = int((zone / "max_energy_range_uj").read_text()) if last < first else 0
            self._joules += (last - first + turn) / 1e6

    def metrics(self) -> dict[str, float]:
        """The means so far; empty before the first epoch."""
        if not self._epochs:
            return {}
        found = {"search_epoch_seconds": self._seconds / self._epochs}
        memory = self.memory
        if memory:
            found["search_memory_mb"] = memory / 1e6
        if self._zones:
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


def _read(zones: Sequence[Path]) -> list[int]:
    """Microjoules; nothing where the counters are for root only."""
    try:
        return [int((zone / "energy_uj").read_text()) for zone in zones]
    except OSError:
        return []
