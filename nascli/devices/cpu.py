"""The processor of this machine, timed on the clock."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nascli.core.device import Latency
from nascli.devices.settings import check

if TYPE_CHECKING:
    from torch import Tensor, nn


class Cpu:
    """Times forward passes on `threads` threads, over `batch` images at once.

    Every network is called `warmup` times untimed and at most `repeats` times timed, and drops out
    early once it has taken `seconds` in all. One thread is the default because two or more vary
    several times as much from one run to the next.
    """

    name = "cpu"

    def __init__(
        self,
        threads: int = 1,
        batch: int = 1,
        warmup: int = 5,
        repeats: int = 50,
        seconds: float = 1.0,
        dtype: str = "float32",
        channels_last: bool = False,
    ) -> None:
        check(self.name, dtype, seconds, threads=threads, batch=batch, repeats=repeats)
        self.threads, self.batch, self.dtype = threads, batch, dtype
        self.warmup, self.repeats, self.seconds = warmup, repeats, seconds
        self.channels_last = channels_last

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """The latency of one forward pass over (batch, *input_shape); `network` stays as it is."""
        return self.latencies([(network, input_shape)])[0]

    def latencies(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """The same for many modules, in interleaved rounds."""
        import torch

        from nascli.devices.measuring import conditions, quantiles, rounds

        with _threads(self.threads), torch.inference_mode():
            passes = [self._pass(network, shape) for network, shape in cases]
            taken = rounds(passes, self.warmup, self.repeats, self.seconds)
            under = conditions(
                processor(), self.dtype, self.batch, channels_last=self.channels_last
            )
        return [quantiles(values, under) for values in taken]

    def _pass(self, network: nn.Module, shape: tuple[int, ...]) -> Callable[[], float]:
        from nascli.devices.measuring import ready

        ours, images = ready(
            network,
            shape,
            place="cpu",
            batch=self.batch,
            dtype=self.dtype,
            channels_last=self.channels_last,
        )
        return lambda: _milliseconds(ours, images)


def processor() -> str:
    """The processor's name as its maker gives it, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _milliseconds(network: nn.Module, images: Tensor) -> float:
    start = time.perf_counter_ns()
    network(images)
    return (time.perf_counter_ns() - start) / 1e6


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
