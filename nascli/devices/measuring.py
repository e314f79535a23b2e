"""What the devices that run torch share: ready networks, interleaved rounds, quantiles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nascli.core.device import Latency


def ready(
    network: nn.Module,
    input_shape: tuple[int, ...],
    *,
    place: str,
    batch: int,
    dtype: str,
    channels_last: bool,
) -> tuple[nn.Module, Tensor]:
    """A copy of `network` in eval mode on `place`, and images (batch, *input_shape) for it.

    The images are the same every time and leave torch's global random state alone.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, *input_shape, generator=generator)
    ours = copy.deepcopy(network).eval().to(place, getattr(torch, dtype))
    if channels_last:
        ours = ours.to(memory_format=layout)
    return ours, images.to(place, getattr(torch, dtype)).contiguous(memory_format=layout)


def rounds(
    passes: Sequence[Callable[[], float]], warmup: int, repeats: int, seconds: float
) -> list[list[float]]:
    """Calls every pass once a round and gives each one's milliseconds, those of warm-up dropped.

    A machine that slows down for a while then slows all passes alike. A pass drops out once it has
    taken `seconds` in all, but never before its second call; warm-up is at most half its calls.
    """
    taken: list[list[float]] = [[] for _ in passes]
    for _ in range(warmup + repeats):
        for run, values in zip(passes, taken, strict=True):
            if len(values) < 2 or sum(values) < 1e3 * seconds:
                values.append(run())
    return [values[min(warmup, len(values) // 2) :] for values in taken]


def quantiles(milliseconds: Sequence[float], conditions: Mapping[str, str | int]) -> Latency:
    """Median, 10th and 90th percentile, to the nanosecond."""
    values = torch.tensor(milliseconds, dtype=torch.float64)
    at = torch.tensor((0.5, 0.1, 0.9), dtype=torch.float64)
    median, p10, p90 = (round(q, 6) for q in torch.quantile(values, at).tolist())
    return Latency(median, p10, p90, len(milliseconds), conditions)


def conditions(device: str, dtype: str, batch: int, *, channels_last: bool) -> dict[str, str | int]:
    """What a measured latency depends on besides the network."""
    return {
        "threads": torch.get_num_threads(),
        "dtype": dtype,
        "batch": batch,
        "layout": "channels_last" if channels_last else "contiguous",
        "torch": str(torch.__version__),
        "device": device,
    }
