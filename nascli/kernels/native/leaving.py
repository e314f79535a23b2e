"""All operations on all edges that leave a state of a cell, their norms and mixture, in one call.

What is computed, and how its gradients come about, stands in the C files beside this one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from nascli.kernels.native.calls import Norm, filled, pointer, run, save, saved

SKIP, MAX_POOL, AVERAGE_POOL, CONVOLUTIONS = range(4)


@dataclass(frozen=True, slots=True)
class Stage:
    """ReLU, depthwise convolution, 1x1 convolution, batch norm; none of them has another part."""

    depthwise: nn.Conv2d
    pointwise: nn.Conv2d
    norm: nn.BatchNorm2d


@dataclass(frozen=True, slots=True)
class Free:
    """An operation without weights: the identity (SKIP), or a pool of 3 x 3 pixels and its norm."""

    kind: int
    norm: nn.BatchNorm2d | None = None


Term = tuple[Stage, ...] | Free
"""An operation; with weights it has one stage or two."""
Use = tuple[int, int]
"""(term, edge): the edge takes part of the term."""


class _Stage(Structure):
    _fields_ = (
        ("kernel", c_int64), ("dilation", c_int64), ("depthwise", c_void_p),
        ("pointwise", c_void_p), ("to_depthwise", c_void_p), ("to_pointwise", c_void_p),
        ("kept", c_void_p), ("norm", Norm),
    )  # fmt: skip


class _Term(Structure):
    _fields_ = (("kind", c_int64), ("stages", c_int64), ("stage", _Stage * 2))


_TERMS = np.dtype(_Term)
_DOUBLE = 8  # bytes


class _Use(Structure):
    _fields_ = (("term", c_int64), ("edge", c_int64))


class _Leaving(Structure):
    _fields_ = (
        *((name, c_int64) for name in (
            "batch", "channels", "height", "width", "out_height", "out_width", "stride",
            "terms", "uses", "edges",
        )),
        ("term", c_void_p), ("use", POINTER(_Use)),
        ("images", c_void_p), ("weights", c_void_p), ("sums", POINTER(c_void_p)),
        ("gradients", POINTER(c_void_p)), ("to_images", c_void_p), ("to_weights", c_void_p),
    )  # fmt: skip


_TOGETHER = 1 << 20  # bytes that are asked for at once: larger pieces go back to the system


class Leaving:
    """What leaves states of one shape: a call in which only addresses are new each time.

    It is right for as long as its norms keep their mode and momentum.

    Args:
        images: such a state (B, C, H, W), of float32 or float64.
        stride: that of every term; the identity needs 1.
        terms: the operations.
        uses: the edges that they are on, at least one.

    Raises:
        ValueError: there is one value a channel only.
    """

    def __init__(
        self, images: Tensor, stride: int, terms: Sequence[Term], uses: Sequence[Use]
    ) -> None:
        batch, channels, height, width = images.shape
        size = -(-height // stride), -(-width // stride)
        self._layers: list[nn.Conv2d] = []  # depthwise and pointwise in turns
        self._norms: list[nn.BatchNorm2d] = []
        self._terms = np.zeros(len(terms), _TERMS)
        self._weighted, self._normed = np.zeros((2, len(terms), 2), bool)
        for number, term in enumerate(terms):
            own: tuple[Stage | Free, ...] = (term,) if isinstance(term, Free) else term
            kind = term.kind if isinstance(term, Free) else CONVOLUTIONS
            self._terms["kind"][number], self._terms["stages"][number] = kind, len(own)
            for place, stage in enumerate(own):
                described = self._terms["stage"][number, place]
                if isinstance(stage, Stage):
                    described["kernel"], _ = stage.depthwise.kernel_size
                    described["dilation"], _ = stage.depthwise.dilation
                    self._layers += stage.depthwise, stage.pointwise
                    self._weighted[number, place] = True
                if stage.norm is not None:
                    described["norm"]["momentum"] = stage.norm.momentum
                    described["norm"]["eps"] = stage.norm.eps
                    self._norms.append(stage.norm)
                    self._normed[number, place] = True
        if batch == 1 and size == (1, 1) and any(norm.training for norm in self._norms):
            raise ValueError(f"batch norm needs more than one value a channel; got {images.shape}")
        self._out, self._wide = (batch, channels, *size), filled(images)
        numbers, norms = batch * size[0] * size[1] * self._wide, len(self._norms)
        self._bytes = numbers * images.element_size()  # of what a norm reads
        most = max(1, _TOGETHER // max(1, self._bytes))
        self._kept = [(min(most, norms - first), numbers) for first in range(0, norms, most)]
        self._edges = 1 + max(edge for _, edge in uses)
        counts = len(terms), len(uses), self._edges
        self._sizes = batch, channels, height, width, *size, stride, *counts
        self._uses = (_Use * len(uses))(*cast(Any, uses))

    def __call__(self, library: ctypes.CDLL, images: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """For every edge the sum of its uses, each times its weight (uses,)."""
        # Whatever is there: torch.func.functional_call puts tensors in place of parameters.
        parameters = [layer._parameters["weight"] for layer in self._layers]
        found: tuple[Tensor, ...] = _Together.apply(library, self, images, weights, *parameters)
        return found

    def begin(
        self, images: Tensor, weights: Tensor, parameters: Sequence[Tensor]
    ) -> tuple[_Leaving, Any, list[Tensor], list[Tensor]]:
        """(call, its terms, what comes out, tensors that the terms refer to and nobody keeps)."""
        kept = [images.new_empty(size) for size in self._kept]
        statistics = torch.empty(len(self._norms), 2, self._wide, dtype=torch.float64)
        terms = self._terms.copy()
        stages, norms = terms["stage"], terms["stage"]["norm"]
        weighted = [parameter.data_ptr() for parameter in parameters]
        stages["depthwise"][self._weighted] = weighted[::2]
        stages["pointwise"][self._weighted] = weighted[1::2]
        stages["kept"][self._normed] = [
            part.data_ptr() + place * self._bytes for part in kept for place in range(len(part))
        ]
        row = _DOUBLE * self._wide
        means = statistics.data_ptr() + 2 * row * np.arange(len(self._norms))
        norms["mean"][self._normed], norms["scale"][self._normed] = means, means + row
        # hundreds a step: attributes of modules are slow to read
        tracked = [cast(dict[str, Tensor], norm._buffers) for norm in self._norms]
        norms["running_mean"][self._normed] = [own["running_mean"].data_ptr() for own in tracked]
        norms["running_variance"][self._normed] = [own["running_var"].data_ptr() for own in tracked]
        norms["batches"][self._normed] = [
            own["num_batches_tracked"].data_ptr() if norm.training else 0
            for norm, own in zip(self._norms, tracked, strict=True)
        ]
        like = torch.empty(self._out, dtype=images.dtype, memory_format=torch.channels_last)
        sums = [torch.empty_like(like) for _ in range(self._edges)]
        call = _Leaving(
            *self._sizes, terms.ctypes.data, self._uses, images.data_ptr(), weights.data_ptr(),
            _pointers(sums),
        )  # fmt: skip
        return call, terms, sums, [*kept, statistics]

    def learn(self, terms: Any, found: Sequence[Tensor]) -> None:
        """Where the gradients of the layers' weights go, if there are any."""
        places = [tensor.data_ptr() for tensor in found]
        terms["stage"]["to_depthwise"][self._weighted] = places[::2] or 0
        terms["stage"]["to_pointwise"][self._weighted] = places[1::2] or 0


class _Together(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        library: ctypes.CDLL,
        leaving: Leaving,
        images: Tensor,
        weights: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        images = images.contiguous(memory_format=torch.channels_last)
        weights = weights.to(images.dtype).contiguous()
        parameters = tuple(parameter.contiguous() for parameter in parameters)
        call, terms, sums, kept = leaving.begin(images, weights, parameters)
        run(library, "leaving_forward", call, images)
        save(ctx, (images, weights, *parameters, *kept))
        ctx.library, ctx.call, ctx.terms, ctx.leaving = library, call, terms, leaving
        return tuple(sums)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weights, *others = saved(ctx)
        call, last = ctx.call, torch.channels_last
        gradients = tuple(gradient.contiguous(memory_format=last) for gradient in gradients)
        call.gradients = _pointers(gradients)
        to_images = torch.empty_like(images) if ctx.needs_input_grad[2] else None
        to_weights = torch.empty_like(weights)
        call.to_images, call.to_weights = pointer(to_images), to_weights.data_ptr()
        wanted = ctx.needs_input_grad[4:]
        parameters = others[: len(wanted)] if any(wanted) else []
        found = [torch.empty_like(parameter) for parameter in parameters]
        ctx.leaving.learn(ctx.terms, found)
        run(ctx.library, "leaving_backward", call, images)
        to_parameters = found if found else [None] * len(wanted)
        return None, None, to_images, to_weights, *to_parameters


def _pointers(tensors: Sequence[Tensor]) -> Any:
    return (c_void_p * len(tensors))(*[tensor.data_ptr() for tensor in tensors])
