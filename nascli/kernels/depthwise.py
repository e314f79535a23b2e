"""Depthwise convolutions whose gradients CPUs compute as fast as the convolution itself.

The libraries' own gradients are exact but slow in four cases, measured with oneDNN 3.13: kernels
wider than 3 pixels (weights: 15 times slower), these at stride 2 or on images lower than the kernel
(weights: 3 to 5 times), dilation (both: 10 times), and images that are not channels_last (all: 10
times and more). Each case is rewritten into one that is fast.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.fault import Fault

_WIDE = 3  # the widest kernel, in pixels, whose gradient is fast
_LAST = torch.channels_last


class Depthwise(nn.Conv2d):
    """A depthwise convolution without bias: (B, C, H, W) -> (B, C, ceil(H / s), ceil(W / s)).

    Dilation 2 at stride 2 reads even rows and columns only, so it is computed without on them.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * margin(kernel)
        super().__init__(
            channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """As `nn.Conv2d`; where gradients are wanted on a CPU, in channels_last."""
        if not (torch.is_grad_enabled() and rewritten(images)):
            return super().forward(images)
        result: Tensor = _Convolve.apply(images, self.weight, self.stride[0], self.dilation[0])
        return result


def margin(kernel: int) -> int:
    """How many pixels a kernel has on either side of its middle.

    Raises:
        Fault: it has no middle.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise Fault(f"an operation has kernel={kernel}; it must be an odd number of pixels")
    return kernel // 2


def rewritten(images: Tensor) -> bool:
    """Whether what is computed of `images` may be rewritten for a CPU."""
    full = images.dtype in (torch.float32, torch.float64)
    return images.device.type == "cpu" and full and not torch.is_autocast_enabled("cpu")


class _Convolve(torch.autograd.Function):
    """The convolution; the backward pass consists of differentiable steps.

    Along one side, with stride s, dilation d and a kernel w of margin r (images are 0 outside):

        y[p] = sum over k of w[k] x[s p + d (k - r)]                                        (1)

    With g = dL/dy this gives, over all p and k that lead to pixel q,

        dL/dx[q] = sum of w[k] g[p] where s p + d (k - r) = q                               (2)
        dL/dw[k] = sum over p of g[p] x[s p + d (k - r)]                                    (3)
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
        ctx.save_for_backward(images if ctx.needs_input_grad[1] else None, weight)
        ctx.shape, ctx.sizes = images.shape, (stride, dilation)
        return convolve(images, weight, stride, dilation)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        to_images = to_weight = None
        if ctx.needs_input_grad[0]:
            to_images = images_gradient(ctx.shape, weight, gradient, *ctx.sizes)
        if ctx.needs_input_grad[1]:
            to_weight = weight_gradient(images, weight, gradient, *ctx.sizes)
        return to_images, to_weight, None, None


def convolve(images: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    """The convolution itself."""
    images, stride, dilation = _even(images, stride, dilation)
    padding = dilation * margin(weight.shape[-1])
    images = images.contiguous(memory_format=_LAST)
    return F.conv2d(images, weight, None, stride, padding, dilation, len(weight))


def images_gradient(
    shape: torch.Size, weight: Tensor, gradient: Tensor, stride: int, dilation: int
) -> Tensor:
    """The gradient with respect to images of `shape` (B, C, H, W).

    At stride 1 it is the convolution with flipped kernels.
    """
    gradient = gradient.contiguous(memory_format=_LAST)
    if stride == 1:
        # (2) with s = 1: sum over k of w[k] g[q - d (k - r)], which is (1) of g and w[2 r - k].
        return convolve(gradient, weight.flip(2, 3), 1, dilation)
    if dilation == 1:
        # Of the images only the shape counts.
        images = torch.empty(shape, dtype=gradient.dtype, memory_format=_LAST)
        side = margin(weight.shape[-1])
        return _gradients(images, weight, gradient, stride, (side, side), [True, False])
    # (2) with s = d = 2: nothing for odd q; for q = 2 u it is that of s = d = 1 at u.
    result = torch.empty(shape, dtype=gradient.dtype, memory_format=_LAST).zero_()
    result[:, :, ::2, ::2] = convolve(gradient, weight.flip(2, 3), 1, 1)
    return result


def weight_gradient(
    images: Tensor, weight: Tensor, gradient: Tensor, stride: int, dilation: int
) -> Tensor:
    """The gradient with respect to the weight (C, 1, k, k)."""
    images, stride, dilation = _even(images, stride, dilation)
    channels, _, kernel, _ = weight.shape
    if dilation == 1 and stride == 2 and kernel > _WIDE:
        return _by_parity(images, weight, gradient)
    if dilation == 1:
        return _columns(images, weight, gradient, stride)
    # (3) with s = 1, d = 2 by the parity a of p: with x_a[u] = x[2 u + a] and g_a[u] = g[2 u + a],
    # sum over a and u of g_a[u] x_a[u + k - r]. So each parity is (3) without dilation; those of
    # both sides are added up: two stand side by side (see _packed), two are channels of their own.
    images, gradient = _packed(images, margin(kernel)), _packed(gradient, margin(kernel))
    halves = _columns(images, torch.cat([weight, weight]), gradient, 1)
    return halves.view(2, channels, 1, kernel, kernel).sum(0)


def _even(images: Tensor, stride: int, dilation: int) -> tuple[Tensor, int, int]:
    """(images, stride, dilation), without dilation if that needs no more than a stride."""
    return (images[:, :, ::2, ::2], 1, 1) if stride == dilation == 2 else (images, stride, dilation)


def _packed(images: Tensor, gap: int) -> Tensor:
    """(B, C, H, W) -> (B, 2C, H', W + 2 gap), where dilation 2 is none; H' is H/2 or more.

    Even and odd columns become channels of their own. Even rows, a gap, odd rows and another gap
    stand side by side; the gaps are zeros, as wide as a kernel's margin. Zeros below give the rows
    of a kernel at least: the library is five times slower on images lower than that.
    """
    batch, channels, height, width = images.shape
    rows = images.permute(0, 2, 3, 1)
    below = max(height % 2, 2 * (2 * gap + 1) - height)
    rows = F.pad(rows, (0, 0, 0, width % 2 + 2 * gap, 0, below))
    height, width = rows.shape[1] // 2, rows.shape[2]
    return rows.reshape(batch, height, width, 2 * channels).permute(0, 3, 1, 2)


def _columns(images: Tensor, weight: Tensor, gradient: Tensor, stride: int) -> Tensor:
    """The weight's gradient without dilation, a few columns of the kernel at a time."""
    kernel = weight.shape[-1]
    side = margin(kernel)
    below = kernel - gradient.shape[2]
    if stride == 1 and below > 0:  # zeros, as those that a padded image has below
        images, gradient = (F.pad(rows, (0, 0, 0, below)) for rows in (images, gradient))
    if kernel <= _WIDE:
        return _gradients(images, weight, gradient, stride, (side, side), [False, True])
    # (3) for the columns k = f, f + 1, f + 2 alone: a kernel of three columns that reads the images
    # from column f - r on, without padding of its own.
    read = (gradient.shape[-1] - 1) * stride + _WIDE  # columns that one block of the kernel reads
    margins = side if images.shape[-1] < side else 0  # where blocks may lie beside all of the image
    images = F.pad(images, (margins, margins)) if margins else images
    part = weight.new_empty(len(weight), 1, kernel, _WIDE)  # only its shape counts
    blocks = []
    for column in range(0, kernel, _WIDE):
        first = min(column, kernel - _WIDE)
        left = side - first - margins
        shifted = F.pad(images, (left, read - left - images.shape[-1]))
        block = _gradients(shifted, part, gradient, stride, (side, 0), [False, True])
        blocks.append(block[..., column - first :])
    return torch.cat(blocks, -1)


def _by_parity(images: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """The weight's gradient at stride 2: even and odd rows and columns of the kernel in turn.

    (3) with s = 2 and k = 2 u + a: with x_a[t] = x[2 t + a - r], sum over p of g[p] x_a[p + u]. So
    what is of parity a alone is (3) at stride 1, without padding, of every second pixel.
    """
    channels, _, kernel, _ = weight.shape
    side = margin(kernel)
    gradient = F.pad(gradient, (0, 0, 0, max(0, side + 1 - gradient.shape[2])))
    result = weight.new_empty(channels, 1, kernel, kernel)
    for row, column in product((0, 1), repeat=2):
        rows, columns = (len(range(first, kernel, 2)) for first in (row, column))
        size = gradient.shape[2] + rows - 1, gradient.shape[3] + columns - 1
        pixels = _every_second(images, (row - side, column - side), size)
        width = min(_WIDE, columns)
        like = weight.new_empty(channels, 1, rows, width)  # only its shape counts
        for block in range(0, columns, _WIDE):
            first = min(block, columns - width)
            read = pixels[..., first : first + gradient.shape[3] + width - 1]
            found = _gradients(read, like, gradient, 1, (0, 0), [False, True])
            left = 2 * first + column
            result[:, :, row::2, left : left + 2 * width : 2] = found
    return result


def _every_second(images: Tensor, start: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The pixels start, start + 2, ... along both sides, so many of them; outside they are 0."""
    (top, left), (height, width) = start, size
    found = images[:, :, top % 2 :: 2, left % 2 :: 2]
    above, before = (1 - top) // 2, (1 - left) // 2
    below, after = height - above - found.shape[2], width - before - found.shape[3]
    return F.pad(found, (before, after, above, below))


def _gradients(
    images: Tensor,
    weight: Tensor,
    gradient: Tensor,
    stride: int,
    padding: tuple[int, int],
    wanted: list[bool],
) -> Tensor:
    """One gradient by the library, of the images or of the weight."""
    gradient = gradient.contiguous(memory_format=_LAST)
    images = images.contiguous(memory_format=_LAST)
    found = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, [stride] * 2, list(padding), [1, 1], False, [0, 0],
        len(weight), [*wanted, False],
    )  # fmt: skip
    result: Tensor = found[wanted.index(True)]
    return result
