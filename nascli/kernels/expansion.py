"""A 1x1 convolution that makes many channels of few, and its batch norm, as one step.

Batch statistics of y = W x need no y: with mean m and covariance C of the pixels x,

    mean of y = W m,    variance of y_i = sum over j, k of W_ij C_jk W_ik                     (1)

so the norm is a factor s_i = gamma_i / sqrt(variance_i + eps) and a shift of each channel:

    z_i = sum over j of s_i W_ij x_j + beta_i - s_i (W m)_i                                   (2)

one convolution with a bias. Backward, what passes through the statistics passes through C and m,
which are as narrow as x, and the norm never goes over the wide tensor. Exact, up to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.kernels.depthwise import rewritten

_CACHED = 1_500_000  # numbers, which a CPU's caches hold: going over so few once more costs little


def pays(convolution: nn.Conv2d, norm: nn.BatchNorm2d, images: Tensor) -> bool:
    """Whether `normed` is the faster way: gradients are wanted, on a CPU, by batch statistics."""
    made, read = convolution.weight.shape[:2]
    wide = made >= 2 * read and images.numel() // read * made >= _CACHED
    return wide and norm.training and torch.is_grad_enabled() and rewritten(images)


def normed(convolution: nn.Conv2d, norm: nn.BatchNorm2d, images: Tensor) -> Tensor:
    """What the norm makes of the convolution of `images` (B, C, H, W); running statistics move."""
    weight = convolution.weight.flatten(1)
    rows = images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])  # (pixels, C)
    count = len(rows)
    mean = rows.mean(0)
    centred = rows - mean
    covariance = centred.t() @ centred / count
    means, variances = weight @ mean, ((weight @ covariance) * weight).sum(1)  # (1)
    _move(norm, means.detach(), variances.detach(), count)
    factor = torch.rsqrt(variances + norm.eps)
    factor = factor if norm.weight is None else factor * norm.weight
    shift = -factor * means
    shift = shift if norm.bias is None else shift + norm.bias
    return F.conv2d(images, (weight * factor[:, None])[:, :, None, None], shift)  # (2)


@torch.no_grad()
def _move(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """The running statistics, as the library does: with the variance of a sample."""
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.num_batches_tracked is not None and norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
