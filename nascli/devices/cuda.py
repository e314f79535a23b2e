"""The NVIDIA GPU of this machine, timed with CUDA events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.devices.settings import check

if TYPE_CHECKING:
    from torch import Tensor, nn


class Cuda:
    """Times forward passes on the current GPU, over `batch` images at once.

    Every network is called `warmup` times untimed and at most `repeats` times timed, and drops out
    early once it has taken `seconds` in all. The clock starts on an idle GPU, so the gaps between
    kernels that a small batch leaves are part of the latency.
    """

    name = "cuda"

    def __init__(
        self,
        batch: int = 1,
        warmup: int = 10,
        repeats: int = 100,
        seconds: float = 1.0,
        dtype: str = "float32",
        channels_last: bool = False,
    ) -> None:
        check(self.name, dtype, seconds, batch=batch, repeats=repeats)
        self.batch, self.dtype, self.channels_last = batch, dtype, channels_last
        self.warmup, self.repeats, self.seconds = warmup, repeats, seconds

    def check(self) -> None:
        """See `nascli.core.device.Located`."""
        import torch

        if not torch.cuda.is_available():
            raise Fault(
                f"device 'cuda' needs an NVIDIA GPU, and torch {torch.__version__} finds none on "
                "this machine; take device=cpu, or device=none to leave latency out"
            )

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """The latency of one forward pass over (batch, *input_shape); `network` stays as it is.

        Raises:
            Fault: torch finds no GPU.
        """
        return self.latencies([(network, input_shape)])[0]

    def latencies(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """The same for many modules, in interleaved rounds.

        Raises:
            Fault: torch finds no GPU.
        """
        import torch

        from nascli.devices.measuring import conditions, quantiles, rounds

        self.check()
        with torch.inference_mode():
            passes = [self._pass(network, shape) for network, shape in cases]
            taken = rounds(passes, self.warmup, self.repeats, self.seconds)
        under = conditions(
            torch.cuda.get_device_name(), self.dtype, self.batch, channels_last=self.channels_last
        )
        return [quantiles(values, under) for values in taken]

    def _pass(self, network: nn.Module, shape: tuple[int, ...]) -> Callable[[], float]:
        from nascli.devices.measuring import ready

        ours, images = ready(
            network,
            shape,
            place="cuda",
            batch=self.batch,
            dtype=self.dtype,
            channels_last=self.channels_last,
        )
        return lambda: _milliseconds(ours, images)


def _milliseconds(network: nn.Module, images: Tensor) -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    network(images)
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))
