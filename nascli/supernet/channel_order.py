"""Channels sorted by importance, so that the first ones of a width are the best to keep.

Cai et al., Once-for-All, ICLR 2020 (arXiv 1908.09791), section 3.3: importance is the L1 norm of a
channel's weights, here and in the published code those of the layer that reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nascli.operations.inverted import InvertedResidual, SqueezeExcite


class Axis(NamedTuple):
    """A dimension of a tensor that lists channels; `reads` says that the tensor is a reader's."""

    tensor: Tensor
    dimension: int
    reads: bool = False


Stream = list[Axis]
"""All axes that list the same channels, which have to be reordered together."""


@torch.no_grad()
def sort(layers: Iterable[nn.Module], elastic: Collection[tuple[Tensor, int]]) -> None:
    """Sorts the channels of every stream with an axis in `elastic`, the most important first.

    `layers` follow each other. What they compute stays; the channels of the first one's input and
    the last one's output are left alone.
    """
    wanted = {(id(tensor), dimension) for tensor, dimension in elastic}
    for stream in streams(layers):
        if not any((id(axis.tensor), axis.dimension) in wanted for axis in stream):
            continue
        norms = [
            a.tensor.abs().transpose(0, a.dimension).flatten(1).sum(1) for a in stream if a.reads
        ]
        order = torch.stack(norms).sum(0).argsort(descending=True, stable=True)
        for tensor, dimension, _ in stream:
            tensor.copy_(tensor.index_select(dimension, order))


def streams(layers: Iterable[nn.Module]) -> list[Stream]:
    """The streams between the input of the first layer and the output of the last."""
    first: Stream = []
    found = [first]
    last = first
    for layer in layers:
        last = _through(layer, last, found)
    return [stream for stream in found if stream is not first and stream is not last]


def _through(module: nn.Module, stream: Stream, found: list[Stream]) -> Stream:
    """Adds the axes of a module that reads `stream`; gives the stream that it makes."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        out = [Axis(module.weight, 0)] + ([] if module.bias is None else [Axis(module.bias, 0)])
        if isinstance(module, nn.Conv2d) and module.groups > 1:  # depthwise
            stream += out
            return stream
        stream.append(Axis(module.weight, 1, reads=True))
        found.append(out)
        return out
    if isinstance(module, _BatchNorm):
        tensors = module.weight, module.bias, module.running_mean, module.running_var
        stream += [Axis(tensor, 0) for tensor in tensors if tensor is not None]
        return stream
    if isinstance(module, SqueezeExcite):
        stream += _joined(module.scale, found)
        return stream
    before = stream
    for child in module.children():
        stream = _through(child, stream, found)
    if isinstance(module, InvertedResidual) and module.residual:
        found[:] = [other for other in found if other is not stream]
        before += stream
        return before
    return stream


def _joined(scale: nn.Sequential, found: list[Stream]) -> Stream:
    """The axes of a squeeze-excite on the channels that it scales: it reads and makes them."""
    given: Stream = []
    made = _through(scale, given, found)
    found[:] = [other for other in found if other is not made]
    # What it reads only says how to weigh channels: their importance is what their reader says.
    return [Axis(tensor, dimension) for tensor, dimension, _ in given + made]
