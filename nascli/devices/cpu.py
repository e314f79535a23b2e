"""The processor of this machine, timed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from nascli.core.device import EAGER
from nascli.core.energy import Rapl
from nascli.core.fault import Fault
from nascli.core.memory import keep
from nascli.devices.energy import millijoules, opened
from nascli.devices.processor import processor
from nascli.devices.settings import Limits, check
from nascli.devices.timer import Timer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nascli.devices.timer import Case

    _Runs = Callable[[Tensor], object]


class Cpu(Timer):
    """Times forward passes on `threads` threads, over `batch` images at once.

    One thread is the default because two or more vary several times as much from one run to the
    next. `warmup`, `repeats`, `seconds` and `precision` are `nascli.devices.settings.Limits`.
    `compile` has every network compiled by PyTorch first, which takes seconds to minutes each.
    `energy` has its energy told too, by the counters of the processor packages.
    """

    name = "cpu"

    def __init__(
        self,
        threads: int = 1,
        batch: int = 1,
        warmup: int = 5,
        repeats: int = 100,
        seconds: float = 1.0,
        precision: float = 0.01,
        dtype: str = "float32",
        channels_last: bool = False,
        compile: bool = False,
        energy: bool = False,
    ) -> None:
        self._limits = Limits(warmup, repeats, seconds, precision)
        check(self.name, dtype, self._limits, threads=threads, batch=batch)
        self.threads, self.batch, self.dtype = threads, batch, dtype
        self.channels_last, self.compile, self.energy = channels_last, compile, energy

    def check(self) -> None:
        """See `nascli.core.device.Located`."""
        if self.compile and not any(map(shutil.which, ("c++", "g++", "clang++"))):
            raise Fault(
                "device.compile=true needs a C++ compiler, and this machine has none (c++, g++, "
                "clang++): install one, or leave it out"
            )
        if self.energy:
            opened(Rapl)

    def conditions(self) -> dict[str, str | int]:
        """See `Timer.conditions`."""
        from nascli.devices.running import conditions

        return conditions(
            processor(),
            "compiled" if self.compile else EAGER,
            self.dtype,
            self.batch,
            self.threads,
            channels_last=self.channels_last,
        )

    @contextmanager
    def passes(self, cases: Sequence[Case]) -> Iterator[list[Callable[[], float]]]:
        """See `Timer.passes`."""
        import torch

        from nascli.devices.measuring import clocked

        keep()
        with _threads(self.threads):
            compiled = [self._ready(network, shape) for network, shape in cases]
            with torch.inference_mode():
                yield [
                    partial(clocked, partial(network, images), threads=self.threads)
                    for network, images in compiled
                ]

    def energy_mj(self, network: nn.Module, input_shape: tuple[int, ...]) -> float:
        """See `nascli.core.device.Metered`: of all packages, with what they use when idle."""
        import torch

        counter = opened(Rapl)
        with _threads(self.threads):
            ours, images = self._ready(network, input_shape)
            with torch.inference_mode():
                return millijoules(partial(ours, images), counter)

    def _ready(self, network: nn.Module, shape: tuple[int, ...]) -> tuple[_Runs, Tensor]:
        from nascli.devices.running import compiled, ready

        ours, images = ready(
            network,
            shape,
            place="cpu",
            batch=self.batch,
            dtype=self.dtype,
            channels_last=self.channels_last,
        )
        return (compiled(ours, images), images) if self.compile else (ours, images)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
