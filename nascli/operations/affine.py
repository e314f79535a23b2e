"""Operations as affine maps of the last features they store, and weighted sums of such maps.

A pointwise convolution P followed by batch norm is M y + b in every pixel, where M and b follow
from the mean and the covariance of y (`normed`). So neither P y nor its normalised copy is stored,
and a sum of operations is a sum of small matrix products. An exact rewrite: results and gradients
are those of the modules up to rounding, running statistics too. `operations.folding`
holds the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nascli.operations.depthwise import rewritten
from nascli.operations.folding import HiddenConvolution, Normed, PointwiseNormed, Sum


@dataclass(frozen=True, slots=True)
class Affine:
    """M y + b in every pixel of the features y (B, K, H, W).

    `matrix` is M (C, K), its diagonal (C,), or None for the identity; `shift` is b (C,) or None
    for zero.
    """

    features: Tensor
    matrix: Tensor | None = None
    shift: Tensor | None = None


def normed(features: Tensor, pointwise: nn.Module | None, norm: nn.Module) -> Affine:
    """`norm` (batch norm) of the pointwise convolution `pointwise`, if given, of `features`.

    In training mode the running statistics are updated, as `norm` would.

    Raises:
        ValueError: in training mode there is one value a channel only.
    """
    assert isinstance(norm, nn.BatchNorm2d)
    matrix = None if pointwise is None else cast(Tensor, pointwise.weight).flatten(1)
    if norm.training or norm.running_mean is None or norm.running_var is None:
        features, folded, shift = _by_batch(features, matrix, norm)
    else:
        scale = (norm.running_var + norm.eps).rsqrt()
        folded, shift = _scaled(scale, matrix), -norm.running_mean * scale
    if norm.affine:
        folded, shift = _scaled(norm.weight, folded), norm.weight * shift + norm.bias
    return Affine(features, folded, shift)


def _scaled(scale: Tensor, matrix: Tensor | None) -> Tensor:
    """diag(scale) times a matrix, a diagonal or the identity (None)."""
    if matrix is None:
        return scale
    return scale[:, None] * matrix if matrix.dim() == 2 else scale * matrix


def _by_batch(
    features: Tensor, matrix: Tensor | None, norm: nn.BatchNorm2d
) -> tuple[Tensor, Tensor, Tensor]:
    """The features, M and b by the statistics of the batch, which `norm` keeps track of."""
    count = features.numel() // features.shape[1]
    if count == 1:
        raise ValueError(f"batch norm needs more than one value a channel; got {features.shape}")
    if matrix is None:
        features, folded, shift, mean, variance = Normed.apply(features, norm.eps)
    else:
        found = PointwiseNormed.apply(features, matrix, norm.eps)
        features, folded, shift, mean, variance = found
    if norm.training:
        _track(norm, mean, variance, count)
    return features, folded, shift


@torch.no_grad()
def _track(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    if norm.running_mean is None or norm.running_var is None:
        return
    seen = cast(Tensor, norm.num_batches_tracked).add_(1)
    momentum = 1 / int(seen) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, momentum)
    norm.running_var.lerp_(variance * (count / (count - 1)), momentum)


def hidden_convolution(inner: Affine, depthwise: nn.Module) -> Tensor:
    """The convolution `depthwise` (at stride 1) of ReLU(`inner`), whose matrix is full.

    The hidden state between the two is computed again in the backward pass.
    """
    result: Tensor = HiddenConvolution.apply(
        inner.features, inner.matrix, inner.shift, depthwise.weight
    )
    return result


def weighted_sum(terms: Sequence[tuple[Affine, Tensor]]) -> Tensor:
    """The sum of affine maps of the same shape, each times its weight, a tensor without dimensions.

    At least one term is needed.
    """
    if not rewritten(terms[0][0].features):
        assert all(affine.matrix is affine.shift is None for affine, _ in terms)
        parts = [affine.features * weight for affine, weight in terms]
        return sum(parts[1:], parts[0])
    columns = zip(*((a.features, a.matrix, a.shift, weight) for a, weight in terms), strict=True)
    result: Tensor = Sum.apply(len(terms), *(value for column in columns for value in column))
    return result
