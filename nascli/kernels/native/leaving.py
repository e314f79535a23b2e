"""All operations on all edges that leave a state of a cell, their norms and mixture, in one call.

What is computed, and how its gradients come about, stands in the C files beside this one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from nascli.kernels.native.calls import Norm, described, filled, pointer, run, save, saved

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


class _Use(Structure):
    _fields_ = (("term", c_int64), ("edge", c_int64))


class _Leaving(Structure):
    _fields_ = (
        *((name, c_int64) for name in (
            "batch", "channels", "height", "width", "out_height", "out_width", "stride",
            "terms", "uses", "edges",
        )),
        ("term", POINTER(_Term)), ("use", POINTER(_Use)),
        ("images", c_void_p), ("weights", c_void_p), ("sums", POINTER(c_void_p)),
        ("gradients", POINTER(c_void_p)), ("to_images", c_void_p), ("to_weights", c_void_p),
    )  # fmt: skip


def leaving(
    library: ctypes.CDLL,
    images: Tensor,
    stride: int,
    terms: Sequence[Term],
    uses: Sequence[Use],
    weights: Tensor,
) -> tuple[Tensor, ...]:
    """For every edge the sum of its uses, each times its weight.

    `images` are (B, C, H, W), of float32 or float64, `weights` (uses,). `stride` is that of every
    term; the identity needs 1.

    Raises:
        ValueError: there is one value a channel only.
    """
    stages = [stage for term in terms for stage in (term if isinstance(term, tuple) else (term,))]
    by_batch = any(stage.norm is not None and stage.norm.training for stage in stages)
    if (
        by_batch
        and len(images) * -(-images.shape[2] // stride) * -(-images.shape[3] // stride) == 1
    ):
        raise ValueError(f"batch norm needs more than one value a channel; got {images.shape}")
    found: tuple[Tensor, ...] = _Together.apply(
        library, stride, terms, uses, images, weights, *_parameters(terms)
    )
    return found


def _parameters(terms: Sequence[Term]) -> list[Tensor]:
    """Both weights of every stage, in the order of the terms."""
    stages = [stage for term in terms if isinstance(term, tuple) for stage in term]
    return [part.weight for stage in stages for part in (stage.depthwise, stage.pointwise)]


class _Together(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        library: ctypes.CDLL,
        stride: int,
        terms: Sequence[Term],
        uses: Sequence[Use],
        images: Tensor,
        weights: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        images = images.contiguous(memory_format=torch.channels_last)
        weights = weights.to(images.dtype).contiguous()
        parameters = tuple(parameter.contiguous() for parameter in parameters)
        call, kept = _call(stride, terms, uses, images, weights, parameters)
        size = len(images), images.shape[1], call.out_height, call.out_width
        like = torch.empty(size, dtype=images.dtype, memory_format=torch.channels_last)
        sums = [torch.empty_like(like) for _ in range(call.edges)]
        call.sums = _pointers(sums)
        run(library, "leaving_forward", call, images)
        save(ctx, (images, weights, *parameters, *kept))
        ctx.library, ctx.call, ctx.parameters = library, call, len(parameters)
        return tuple(sums)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weights, *others = saved(ctx)
        call, last = ctx.call, torch.channels_last
        gradients = tuple(gradient.contiguous(memory_format=last) for gradient in gradients)
        call.gradients = _pointers(gradients)
        to_images = torch.empty_like(images) if ctx.needs_input_grad[4] else None
        to_weights = torch.empty_like(weights)
        call.to_images, call.to_weights = pointer(to_images), to_weights.data_ptr()
        parameters = others[: ctx.parameters]
        learn = any(ctx.needs_input_grad[6:])
        found = [torch.empty_like(parameter) if learn else None for parameter in parameters]
        for stage, *both in zip(_stages(call), found[::2], found[1::2], strict=True):
            stage.to_depthwise, stage.to_pointwise = map(pointer, both)
        run(ctx.library, "leaving_backward", call, images)
        return None, None, None, None, to_images, to_weights, *found


def _call(
    stride: int,
    terms: Sequence[Term],
    uses: Sequence[Use],
    images: Tensor,
    weights: Tensor,
    parameters: Sequence[Tensor],
) -> tuple[_Leaving, list[Tensor]]:
    """The call, and the tensors that it refers to and nobody else keeps."""
    batch, channels, height, width = images.shape
    out_height, out_width = -(-height // stride), -(-width // stride)
    wide = filled(images)
    stages_of = [term if isinstance(term, tuple) else (term,) for term in terms]
    statistics = torch.empty(sum(map(len, stages_of)), 2, wide, dtype=torch.float64)
    kept, mean, row = [statistics], statistics.data_ptr(), 8 * wide
    places = map(pointer, parameters)
    described_terms = []
    for term, stages in zip(terms, stages_of, strict=True):
        found = []
        for stage in stages:
            own: tuple[int, ...] = (0, 0, 0, 0)
            if isinstance(stage, Stage):
                (kernel, _), (dilation, _) = stage.depthwise.kernel_size, stage.depthwise.dilation
                own = kernel, dilation, next(places), next(places)
            if stage.norm is not None:
                kept.append(images.new_empty(batch * out_height * out_width * wide))
                norm = described(stage.norm, mean, mean + row)
                found.append((*own, 0, 0, kept[-1].data_ptr(), norm))
            mean += 2 * row
        kind = term.kind if isinstance(term, Free) else CONVOLUTIONS
        described_terms.append((kind, len(stages), tuple(found)))
    all_terms = (_Term * len(terms))(*cast(Any, described_terms))
    call = _Leaving(
        batch, channels, height, width, out_height, out_width, stride,
        len(terms), len(uses), 1 + max(edge for _, edge in uses), all_terms,
        (_Use * len(uses))(*cast(Any, uses)), images.data_ptr(), weights.data_ptr(),
    )  # fmt: skip
    return call, kept


def _stages(call: _Leaving) -> list[_Stage]:
    """Those of convolutions, in the order of the terms."""
    terms = [call.term[number] for number in range(call.terms)]
    return [t.stage[place] for t in terms if t.kind == CONVOLUTIONS for place in range(t.stages)]


def _pointers(tensors: Sequence[Tensor]) -> Any:
    return (c_void_p * len(tensors))(*map(pointer, tensors))
