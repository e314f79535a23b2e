"""Batch norms left to the weighted sum that their results go into.

A mixture sums the batch norms of many features, each times a weight. So scale, shift and weight are
applied while adding up, and neither a normalised nor a weighted copy is ever stored. An exact
rewrite: results and gradients are those of the modules up to rounding, running statistics too.
Every backward pass consists of differentiable steps, so that second derivatives can be had.

Features are (B, C, H, W) with channels last in memory; a row is a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.kernels.depthwise import rewritten

_NARROW = 32  # up to so many channels, the weights' gradient is a slow matrix product

Setting = tuple[bool, float]
"""Of a batch norm: whether it takes the statistics of the batch, and its eps."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Features (B, C, H, W) and the batch norm that is still to be applied to them, if any.

    `statistics` are the mean (C,) and the variance (C,) that it takes: those of the batch or the
    running ones.
    """

    features: Tensor
    norm: nn.BatchNorm2d | None = None
    statistics: tuple[Tensor, Tensor] | None = None


Term = tuple[Deferred, Tensor | None]
"""Features, and the weight () that they count with; None for features that are weighed already."""


def deferred(features: Tensor, norm: nn.Module) -> Deferred:
    """`norm` (batch norm) of the features, to be applied later.

    In training mode the running statistics are updated, as `norm` would.

    Raises:
        ValueError: in training mode there is one value a channel only.
    """
    assert isinstance(norm, nn.BatchNorm2d)
    tracked = norm.running_mean, norm.running_var
    if not _by_batch(norm):
        return Deferred(features, norm, cast(tuple[Tensor, Tensor], tracked))
    if features.numel() == features.shape[1]:
        raise ValueError(f"batch norm needs more than one value a channel; got {features.shape}")
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    else:
        tracked = None, None
    with torch.no_grad():
        momentum = norm.momentum
        if momentum is None:
            momentum = 1 / int(norm.num_batches_tracked or 1)
        statistics = torch.batch_norm_update_stats(features.detach(), *tracked, momentum)
    return Deferred(features, norm, statistics)


def _by_batch(norm: nn.BatchNorm2d) -> bool:
    return norm.training or norm.running_mean is None


def pointwise(images: Tensor, convolution: nn.Module) -> Tensor:
    """The 1x1 convolution `convolution` at stride 1, without bias."""
    result: Tensor = _Pointwise.apply(images, convolution.weight)
    return result


class _Pointwise(torch.autograd.Function):
    """Keeps its images only if the weight is to learn."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(images if ctx.needs_input_grad[1] else None, weight)
        return F.conv2d(images, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # Of rows: Y = X W'. With G = dL/dY: dL/dX = G W and dL/dW = G' X.
        images, weight = ctx.saved_tensors
        to_images = to_weight = None
        if ctx.needs_input_grad[0]:
            to_images = F.conv2d(gradient, weight.transpose(0, 1))
        if ctx.needs_input_grad[1] and len(weight) <= _NARROW:
            library = torch.ops.aten.convolution_backward
            settings = [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]
            to_weight = library(gradient, images, weight, None, *settings)[1]
        elif ctx.needs_input_grad[1]:
            to_weight = (_rows(gradient).T @ _rows(images)).view_as(weight)
        return to_images, to_weight


def rectified(inner: Deferred) -> Tensor:
    """The ReLU of what is deferred, its norm included."""
    norm = inner.norm
    assert norm is not None and inner.statistics is not None
    if norm.affine:
        return F.relu(weighted_sum([(inner, inner.features.new_ones(()))]))
    setting = _by_batch(norm), norm.eps
    hidden: Tensor = _Hidden.apply(setting, inner.features, *inner.statistics)
    return hidden


class _Hidden(torch.autograd.Function):
    """The ReLU of a batch norm without scale and shift; what lies between is not kept."""

    @staticmethod
    def forward(ctx: Any, setting: Setting, features: Tensor, *statistics: Tensor) -> Tensor:
        mean, variance = statistics
        # h = max(0, b), b = (x - m) s = x s - m s, s = 1 / sqrt(v + eps)
        scale = (variance + setting[1]).rsqrt_()
        hidden = torch.addcmul(-mean * scale, _rows(features), scale).relu_()
        hidden = _images(hidden, features)
        ctx.save_for_backward(features, hidden, *statistics)
        ctx.setting = setting
        return hidden

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # dL/db = dL/dh where h > 0, and 0 elsewhere; from b to x see _before.
        features, hidden, *statistics = ctx.saved_tensors
        passed = torch.ops.aten.threshold_backward(gradient, hidden, 0)
        found, _ = _before(passed, features, None, statistics, ctx.setting, [True, False])
        return None, found, None, None


def _before(
    gradient: Tensor,
    features: Tensor,
    factor: Tensor | None,
    statistics: Sequence[Tensor],
    setting: Setting,
    wanted: list[bool],
) -> tuple[Tensor, Tensor]:
    """The gradients of the features and of the factor (C,) of their batch norm, where wanted."""
    # A channel: y = f b, b = (x - m) s, s = 1 / sqrt(v + eps), and g = dL/dy. So dL/df = sum(g b),
    # and with running m and v, dL/dx = f s g. The batch's own are functions of its N values x:
    #   dm/dx_i = 1 / N,  dv/dx_i = 2 (x_i - m) / N,  ds/dv = -s^3 / 2, so
    #   db_j/dx_i = s ([i = j] - 1 / N - b_i b_j / N), and
    #   dL/dx_i = f s (g_i - mean(g) - b_i mean(g b))   (Ioffe and Szegedy 2015, section 3).
    (mean, variance), (by_batch, eps) = statistics, setting
    running = (None, None) if by_batch else (mean, variance)
    saved = (mean, (variance + eps).rsqrt()) if by_batch else (None, None)
    to_features, to_factor, _ = torch.ops.aten.native_batch_norm_backward(
        gradient, features, factor, *running, *saved, by_batch, eps, [*wanted, False]
    )
    return to_features, to_factor


def weighted_sum(terms: Sequence[Term]) -> Tensor:
    """The sum of features of the same shape, after their norms, each times its weight.

    At least one term is needed.
    """
    weighed = [term.features for term, weight in terms if weight is None]
    others = [(term, weight) for term, weight in terms if weight is not None]
    if not rewritten(terms[0][0].features):
        assert all(term.norm is None for term, _ in terms)
        weighed += [term.features * weight for term, weight in others]
    elif others:
        weighed.append(_together(others))
    return sum(weighed[1:], weighed[0]).contiguous(memory_format=torch.channels_last)


def _together(terms: Sequence[tuple[Deferred, Tensor]]) -> Tensor:
    settings: list[Setting | None] = []
    features, factors, statistics = list[Tensor](), list[Tensor](), list[Tensor]()
    shift = None
    for term, weight in terms:
        norm = term.norm
        settings.append(None if norm is None else (_by_batch(norm), norm.eps))
        features.append(term.features)
        factors.append(weight if norm is None or not norm.affine else weight * norm.weight)
        statistics += term.statistics or ()
        if norm is not None and norm.affine:
            own = weight * norm.bias
            shift = own if shift is None else shift + own
    result: Tensor = _Sum.apply(settings, shift, *features, *factors, *statistics)
    return result


class _Sum(torch.autograd.Function):
    """The shift (C,), and what every term adds: a factor times the norm of its features.

    `settings` has None for a term without norm. A factor has the dimensions () or (C,).
    """

    @staticmethod
    def forward(
        ctx: Any, settings: list[Setting | None], shift: Tensor | None, *columns: Tensor
    ) -> Tensor:
        # c + sum over t of f_t b_t = (c - sum f_t s_t m_t) + sum (f_t s_t) x_t, where b_t = (x_t -
        # m_t) s_t with a norm; without one, the factor is f_t and nothing comes off the shift c.
        ctx.save_for_backward(*columns)
        ctx.settings = settings
        like = columns[0]
        start = like.new_zeros(like.shape[1]) if shift is None else shift.clone()
        scales = []
        for setting, _, factor, statistics in _terms(settings, columns):
            if setting is not None:
                mean, variance = statistics
                factor = factor * (variance + setting[1]).rsqrt_()
                start.addcmul_(factor, mean, value=-1)
            scales.append(factor)
        total = torch.addcmul(start, _rows(like), scales[0])
        for rows, scale in zip(map(_rows, columns[1 : len(settings)]), scales[1:], strict=True):
            total.addcmul_(rows, scale)
        return _images(total, like)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # With G = dL/dy at every pixel: dL/dc sums G over the pixels. A term with a norm is f b
        # with the gradient G (see _before); one without has dL/dx = f G and dL/df = sum(G x). A
        # factor that all channels share, (), sums its channels' gradients up.
        settings, count = ctx.settings, len(ctx.settings)
        wanted = ctx.needs_input_grad[2:]
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        to_shift = _rows(gradient).sum(0) if ctx.needs_input_grad[1] else None
        to_features: list[Tensor | None] = []
        to_factors: list[Tensor | None] = []
        for number, term in enumerate(_terms(settings, ctx.saved_tensors)):
            setting, features, factor, statistics = term
            needed = [wanted[number], wanted[count + number]]
            found: Sequence[Tensor | None] = None, None
            if any(needed) and setting is not None:
                spread = factor.expand(features.shape[1]).contiguous()
                found = _before(gradient, features, spread, statistics, setting, needed)
            elif any(needed):
                found = (
                    gradient * factor if needed[0] else None,
                    (gradient * features).sum() if needed[1] else None,
                )
            to_features.append(found[0] if needed[0] else None)
            whole = found[1] if needed[1] else None
            to_factors.append(whole.sum() if whole is not None and not factor.dim() else whole)
        return None, to_shift, *to_features, *to_factors, *([None] * (len(wanted) - 2 * count))


def _terms(
    settings: Sequence[Setting | None], columns: Sequence[Tensor]
) -> list[tuple[Setting | None, Tensor, Tensor, Sequence[Tensor]]]:
    """(setting, features, factor, statistics) of each term."""
    count, statistics = len(settings), iter(columns[2 * len(settings) :])
    taken = [
        () if setting is None else (next(statistics), next(statistics)) for setting in settings
    ]
    return list(zip(settings, columns[:count], columns[count : 2 * count], taken, strict=True))


def _rows(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B * H * W, C): one row a pixel; a view if channels are last in memory."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def _images(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse, of the batch and size of `like`."""
    batch, _, height, width = like.shape
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)
