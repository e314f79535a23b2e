"""The NVIDIA GPU of this machine, timed with CUDA events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from nascli.core.accelerator import cuda_there
from nascli.core.device import EAGER
from nascli.core.energy import Counter, Nvml
from nascli.core.fault import Fault
from nascli.devices.energy import millijoules, opened
from nascli.devices.settings import Limits, check
from nascli.devices.timer import Timer

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nascli.devices.timer import Case


class Cuda(Timer):
    """Times forward passes on the current GPU, over `batch` images at once.

    The clock starts on an idle GPU, so the gaps between kernels that a small batch leaves are part
    of the latency; with `graphs` a pass is one recorded CUDA graph, which has no such gaps.
    `energy` has its energy told too, by the GPU's counter.
    `warmup`, `repeats`, `seconds` and `precision` are `nascli.devices.settings.Limits`.
    """

    name = "cuda"

    def __init__(
        self,
        batch: int = 1,
        warmup: int = 10,
        repeats: int = 100,
        seconds: float = 1.0,
        precision: float = 0.01,
        dtype: str = "float32",
        channels_last: bool = False,
        graphs: bool = False,
        energy: bool = False,
    ) -> None:
        self._limits = Limits(warmup, repeats, seconds, precision)
        check(self.name, dtype, self._limits, batch=batch)
        self.batch, self.dtype = batch, dtype
        self.channels_last, self.graphs, self.energy = channels_last, graphs, energy

    def check(self) -> None:
        """See `nascli.core.device.Located`."""
        if not cuda_there():
            raise Fault(
                f"device 'cuda' needs an NVIDIA GPU, and torch {version('torch')} finds none on "
                "this machine; take device=cpu, or device=none to leave latency out"
            )
        if self.energy:
            opened(_counter)

    def conditions(self) -> dict[str, str | int]:
        """See `Timer.conditions`."""
        import torch

        from nascli.devices.running import conditions

        return conditions(
            torch.cuda.get_device_name(),
            "cuda graphs" if self.graphs else EAGER,
            self.dtype,
            self.batch,
            torch.get_num_threads(),
            channels_last=self.channels_last,
        )

    @contextmanager
    def passes(self, cases: Sequence[Case]) -> Iterator[list[Callable[[], float]]]:
        """See `Timer.passes`."""
        import torch

        self.check()
        with torch.inference_mode():
            yield [partial(_milliseconds, self._pass(*case)) for case in cases]

    def energy_mj(self, network: nn.Module, input_shape: tuple[int, ...]) -> float:
        """See `nascli.core.device.Metered`: of the whole GPU, with what it uses when idle."""
        import torch

        self.check()
        with torch.inference_mode():
            one = partial(_milliseconds, self._pass(network, input_shape))
            return millijoules(one, opened(_counter))

    def _pass(self, network: nn.Module, shape: tuple[int, ...]) -> Callable[[], object]:
        """What launches one forward pass."""
        import torch

        from nascli.devices.running import ready

        ours, images = ready(
            network,
            shape,
            place="cuda",
            batch=self.batch,
            dtype=self.dtype,
            channels_last=self.channels_last,
        )
        if not self.graphs:
            return partial(ours, images)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # what a first pass sets up must not be in the graph
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                ours(images)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            ours(images)
        return _Replay(graph, images)


class _Replay:
    """A recorded pass, with the images that it reads."""

    def __init__(self, graph: torch.cuda.CUDAGraph, images: torch.Tensor) -> None:
        self._graph, self._images = graph, images

    def __call__(self) -> None:
        self._graph.replay()


def _counter() -> Counter:
    import torch

    return Nvml(str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid))


def _milliseconds(run: Callable[[], object]) -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))
