"""All between the two 1x1 convolutions of an inverted residual, in one call.

What is computed, and how its gradients come about, stands in the C files beside this one.
"""

from __future__ import annotations

import ctypes
from ctypes import Structure, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nascli.kernels.native.calls import Norm, described, filled, pointer, run, save, saved

ACTIVATIONS: dict[type[nn.Module], int] = {nn.ReLU: 1, nn.ReLU6: 2, nn.Hardswish: 3}
"""Those that the library has, and their numbers there; 0 is none."""


@dataclass(frozen=True, slots=True)
class Normed:
    """A batch norm and the activation behind it; there may be none of either."""

    norm: nn.BatchNorm2d | None = None
    activation: int = 0

    def parameters(self) -> tuple[Tensor | None, Tensor | None]:
        """Scale and shift."""
        return (None, None) if self.norm is None else (self.norm.weight, self.norm.bias)


class _Normed(Structure):
    _fields_ = (
        ("there", c_int64), ("activation", c_int64), ("scale", c_void_p), ("shift", c_void_p),
        ("to_scale", c_void_p), ("to_shift", c_void_p), ("norm", Norm),
    )  # fmt: skip


class _Residual(Structure):
    _fields_ = (
        *((name, c_int64) for name in (
            "batch", "channels", "height", "width", "out_height", "out_width", "stride", "kernel",
        )),
        ("before", _Normed), ("after", _Normed),
        *((name, c_void_p) for name in (
            "images", "weight", "kept", "out", "gradient", "to_images", "to_weight",
        )),
    )  # fmt: skip


def middle(
    library: ctypes.CDLL, images: Tensor, before: Normed, depthwise: nn.Conv2d, after: Normed
) -> Tensor:
    """What `after`, which has a norm, makes of the convolution of what `before` makes of images.

    Images are (B, C, H, W), of float32 or float64. The convolution has stride 1 or 2, padding that
    keeps the size, no bias and no dilation. Norms in training mode need two values a channel.
    """
    steps = before, depthwise.stride[0], after
    parameters = *before.parameters(), *after.parameters()
    result: Tensor = _Middle.apply(library, steps, images, depthwise.weight, *parameters)
    return result


class _Middle(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        library: ctypes.CDLL,
        steps: tuple[Normed, int, Normed],
        images: Tensor,
        weight: Tensor,
        *parameters: Tensor | None,
    ) -> Tensor:
        before, stride, after = steps
        images = images.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous()
        parameters = tuple(None if part is None else part.contiguous() for part in parameters)
        batch, channels, height, width = images.shape
        size = -(-height // stride), -(-width // stride)
        shape, last = (batch, channels, *size), torch.channels_last
        out = torch.empty(shape, dtype=images.dtype, memory_format=last)
        kept = images.new_empty(batch, *size, filled(images))
        statistics = torch.empty(2, 2, filled(images), dtype=torch.float64)
        call = _Residual(
            batch, channels, height, width, *size, stride, weight.shape[-1],
            _normed(before, parameters[:2], statistics[0]),
            _normed(after, parameters[2:], statistics[1]),
            images.data_ptr(), weight.data_ptr(), kept.data_ptr(), out.data_ptr(),
        )  # fmt: skip
        run(library, "residual_forward", call, images)
        save(ctx, (images, weight, *parameters, kept, statistics))
        ctx.library, ctx.call = library, call
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        call, given = ctx.call, saved(ctx)[:6]
        images, weight, scale, shift, *after = ctx.needs_input_grad[2:]
        wanted = images or scale or shift, weight, scale, shift, *after  # on the way to the first
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        found = [
            torch.empty_like(tensor) if needed else None
            for tensor, needed in zip(given, wanted, strict=True)
        ]
        call.gradient = gradient.data_ptr()
        call.to_images, call.to_weight, *others = map(pointer, found)
        call.before.to_scale, call.before.to_shift = others[:2]
        call.after.to_scale, call.after.to_shift = others[2:]
        run(ctx.library, "residual_backward", call, given[0])
        return None, None, *found


def _normed(normed: Normed, parameters: tuple[Tensor | None, ...], statistics: Tensor) -> _Normed:
    norm = normed.norm
    if norm is None:
        return _Normed(0, normed.activation)
    own = Norm(*described(norm, *map(pointer, statistics)))
    return _Normed(1, normed.activation, *map(pointer, parameters), None, None, own)
