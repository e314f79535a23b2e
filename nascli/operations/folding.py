"""The arithmetic of affine maps with gradients written by hand: what `operations.affine` applies.

Every backward pass consists of differentiable steps, so that second derivatives can be had. Images
are (B, C, H, W), fastest if channels are last in memory; a row is a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from nascli.operations.depthwise import convolve, images_gradient, weight_gradient


def _rows(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B * H * W, C): one row a pixel; a view if channels are last in memory."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def _images(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse, of the batch and size of `like`."""
    batch, _, height, width = like.shape
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _map(images: Tensor, matrix: Tensor, shift: Tensor | None = None) -> Tensor:
    """M y + b in every pixel, with a full M."""
    images = images.contiguous(memory_format=torch.channels_last)
    return F.conv2d(images, matrix[:, :, None, None], shift)


class PointwiseNormed(torch.autograd.Function):
    """Images y and P -> y, M and b such that M y + b is the batch norm of P y; its statistics.

    With m and V the mean and the covariance of y over batch and pixels, z = P y has the mean P m
    and the variances diag(P V P'); r = 1 / sqrt(variance + eps), M = diag(r) P, b = -r P m. The
    images are handed on so that their gradient passes here, where more is added to it.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, matrix: Tensor, eps: float) -> tuple[Tensor, ...]:
        """The result, or the results."""
        rows = _rows(images)
        mean = rows.mean(0)
        covariance = (rows.T @ rows).div_(len(rows)).addr_(mean, mean, alpha=-1)
        half = matrix @ covariance  # (C, K)
        variance = (half * matrix).sum(1).clamp_min_(0)  # below 0 by rounding only
        scale, out_mean = (variance + eps).rsqrt_(), matrix @ mean
        ctx.eps = eps
        ctx.save_for_backward(images, matrix)
        ctx.kept = mean, half, scale, out_mean
        ctx.mark_non_differentiable(out_mean, variance)
        same = images.view_as(images)
        return same, scale[:, None] * matrix, -scale * out_mean, out_mean, variance

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor, to_folded: Tensor, to_shift: Tensor, *_: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        """The gradients of the inputs, None where not wanted."""
        images, matrix = ctx.saved_tensors
        mean, half, scale, out_mean = ctx.kept
        count = images.numel() // images.shape[1]
        if torch.is_grad_enabled():  # for second derivatives, as functions of images and matrix
            rows = _rows(images)
            mean = rows.mean(0)
            half = matrix @ (rows.T @ rows / count - torch.outer(mean, mean))
            scale, out_mean = ((half * matrix).sum(1) + ctx.eps).rsqrt(), matrix @ mean
        to_scale = (to_folded * matrix).sum(1) - to_shift * out_mean
        to_variance, to_mean = -0.5 * scale**3 * to_scale, -scale * to_shift  # of z
        to_matrix = scale[:, None] * to_folded + torch.outer(to_mean, mean)
        to_matrix = to_matrix + (2 * to_variance)[:, None] * half
        slope = matrix.T @ ((2 / count * to_variance)[:, None] * matrix)
        level = matrix.T @ to_mean / count - slope @ mean
        return gradient + _map(images, slope, level), to_matrix, None


class Normed(torch.autograd.Function):
    """The same without P: M is the diagonal r."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, eps: float) -> tuple[Tensor, ...]:
        """The result, or the results."""
        rows = _rows(images)
        mean = rows.mean(0)
        variance = (rows - mean).square_().mean(0)
        scale = (variance + eps).rsqrt_()
        ctx.eps = eps
        ctx.save_for_backward(images)
        ctx.kept = mean, scale
        ctx.mark_non_differentiable(mean, variance)
        return images.view_as(images), scale, -scale * mean, mean, variance

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor, to_scale: Tensor, to_shift: Tensor, *_: Tensor
    ) -> tuple[Tensor, None]:
        """The gradients of the inputs, None where not wanted."""
        (images,) = ctx.saved_tensors
        mean, scale = ctx.kept
        rows = _rows(images)
        if torch.is_grad_enabled():
            mean = rows.mean(0)
            scale = ((rows - mean).square().mean(0) + ctx.eps).rsqrt()
        slope = -(scale**3) * (to_scale - to_shift * mean) / len(rows)
        level = -scale * to_shift / len(rows) - slope * mean
        return _images(torch.addcmul(_rows(gradient) + level, rows, slope), images), None


class Sum(torch.autograd.Function):
    """The sum over j of w_j (M_j y_j + b_j); the columns y, M, b and w, one after the other."""

    @staticmethod
    def forward(ctx: Any, count: int, *columns: Tensor | None) -> Tensor:
        """The result, or the results."""
        ctx.save_for_backward(*columns)
        ctx.count = count
        terms = _terms(columns, count)
        rows, matrix, shift, _ = terms[0]
        channels = rows.shape[1] if matrix is None else len(matrix)
        start = rows.new_zeros(channels)
        factors = torch.stack([weight for *_, weight in terms]).tolist()
        for (_, _, shift, _), factor in zip(terms, factors, strict=True):
            if shift is not None:
                start.add_(shift, alpha=factor)
        total = start.expand(len(rows), channels).contiguous()
        for (rows, matrix, _, _), factor in zip(terms, factors, strict=True):
            if matrix is None:
                total.add_(rows, alpha=factor)
            elif matrix.dim() == 1:
                total.addcmul_(rows, matrix, value=factor)
            else:
                total.addmm_(rows, matrix.T, alpha=factor)
        return _images(total, cast(Tensor, columns[0]))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs, None where not wanted."""
        wanted = list(zip(*_columns(ctx.needs_input_grad[1:], ctx.count), strict=True))
        pixels = _rows(gradient)
        level = pixels.sum(0)  # of b
        found = [
            _to_term(gradient, level, term, needed)
            for term, needed in zip(_terms(ctx.saved_tensors, ctx.count), wanted, strict=True)
        ]
        return None, *(value for column in zip(*found, strict=True) for value in column)


def _columns(values: Sequence[Any], count: int) -> list[Sequence[Any]]:
    return [values[start : start + count] for start in range(0, len(values), count)]


def _terms(columns: Sequence[Any], count: int) -> list[tuple[Any, Any, Any, Any]]:
    """(rows of y, M, b, w) of each term."""
    features, *others = _columns(columns, count)
    return list(zip(map(_rows, features), *others, strict=True))


def _to_term(
    gradient: Tensor, level: Tensor, term: tuple[Any, Any, Any, Any], wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """The gradients of y, M, b and w, each if wanted."""
    rows, matrix, shift, weight = term
    pixels = _rows(gradient)
    to_features = to_matrix = to_weight = None
    full = matrix is not None and matrix.dim() == 2
    if wanted[0] and full:
        to_features = _map(gradient, (weight * matrix).T)
    elif wanted[0]:
        to_features = gradient * (weight if matrix is None else (weight * matrix)[:, None, None])
    if wanted[1] or wanted[3]:
        product = pixels.T @ rows if full else (pixels * rows).sum(0)
        to_matrix = weight * product if wanted[1] else None
        to_weight = (product if matrix is None else product * matrix).sum()
        to_weight = to_weight if shift is None else to_weight + level @ shift
    to_shift = weight * level if wanted[2] else None
    return to_features, to_matrix, to_shift, to_weight if wanted[3] else None


class HiddenConvolution(torch.autograd.Function):
    """The depthwise convolution of ReLU(M y + b); stores y alone."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, matrix: Tensor, shift: Tensor, weight: Tensor) -> Tensor:
        """The result, or the results."""
        ctx.save_for_backward(images, matrix, shift, weight)
        return convolve(_map(images, matrix, shift).relu_(), weight, 1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs, None where not wanted."""
        images, matrix, shift, weight = ctx.saved_tensors
        hidden = _map(images, matrix, shift).relu_()
        to_weight = None
        if ctx.needs_input_grad[3]:
            to_weight = weight_gradient(hidden, weight, gradient, 1, 1)
        to_hidden = images_gradient(hidden, weight, gradient, 1, 1)
        pixels = torch.ops.aten.threshold_backward(to_hidden, hidden, 0)
        to_matrix = _rows(pixels).T @ _rows(images)
        return _map(pixels, matrix.T), to_matrix, _rows(pixels).sum(0), to_weight
