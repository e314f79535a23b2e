"""What the devices that run torch share: networks made ready, and what their times depend on."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nascli.core.fault import Fault, first_line


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
    ours = copy.deepcopy(network).eval().to(place, getattr(torch, dtype))
    if channels_last:
        ours = ours.to(memory_format=layout)
    images = images_of(batch, input_shape).to(place, getattr(torch, dtype))
    return ours, images.contiguous(memory_format=layout)


def compiled(network: nn.Module, images: Tensor) -> Callable[[Tensor], object]:
    """`network` as PyTorch's compiler makes it for images of this shape, compiled already.

    It is written down as a graph first: then each network has code of its own, where many networks
    of one class would share the compiler's cache for that class, and go uncompiled once it is full.

    Raises:
        Fault: it cannot be compiled.
    """
    from nascli.formats.tracing import traced

    graph = traced(network, images)
    try:
        with torch.inference_mode():
            made = torch.compile(graph, fullgraph=True, dynamic=False)
            made(images)
    except Exception as error:  # whatever a compiler says
        raise Fault(
            f"device.compile=true: a network does not compile ({first_line(error)})"
        ) from error
    return made


def images_of(batch: int, input_shape: tuple[int, ...]) -> Tensor:
    """Images (batch, *input_shape), the same every time."""
    return torch.randn(batch, *input_shape, generator=torch.Generator().manual_seed(0))


def conditions(
    device: str, runtime: str, dtype: str, batch: int, threads: int, *, channels_last: bool
) -> dict[str, str | int]:
    """What a measured latency depends on besides the network."""
    return {
        "threads": threads,
        "dtype": dtype,
        "batch": batch,
        "layout": "channels_last" if channels_last else "contiguous",
        "torch": str(torch.__version__),
        "device": device,
        "runtime": runtime,
    }
