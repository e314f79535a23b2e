"""Scores of how well an untrained network distinguishes the images of one minibatch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from nascli.zero_cost.probe import Probe

_PATTERN = 16  # images
_SMALL = 1e-5  # of the published code
# What an activation keeps for its backward pass: result or input, both positive together.
_KEPT = {
    "ReluBackward0": "_saved_result",
    "HardtanhBackward0": "_saved_self",  # ReLU6
    "HardswishBackward0": "_saved_self",
    "SiluBackward0": "_saved_self",
    "GeluBackward0": "_saved_self",
    "LeakyReluBackward0": "_saved_self",
}


def jacob_cov(probe: Probe) -> float:
    """How little the images' Jacobians are correlated.

    -sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlation matrix (B, B) of the
    rows of the Jacobian (B, pixels), k = 1e-5. Mellor et al., first version of Neural Architecture
    Search without Training, 2020 (arXiv 2006.04647v1). The eigenvalues are taken in float64 and of
    a symmetric matrix, where the published code takes float32 and a general one.

    NaN for a network that ignores an image, as its Jacobian is constant.
    """
    correlation = torch.corrcoef(probe.first.jacobian.double().cpu())
    if not correlation.isfinite().all():
        return math.nan
    shifted = torch.linalg.eigvalsh(correlation).clamp(min=0) + _SMALL
    return -float((shifted.log() + 1 / shifted).sum())


def naswot(probe: Probe) -> float:
    """The log-determinant of the kernel of the images' activation patterns.

    K_ij counts the ReLUs that are on or off for both image i and image j. Mellor et al., Neural
    Architecture Search without Training, ICML 2021 (arXiv 2006.04647). Counted are, as in its code,
    the ReLUs that the logits depend on; here of any activation that changes with its input's sign.

    -inf for a network that has the same pattern for two images.
    """
    kernel: Tensor | float = 0.0
    for activation in _activations(probe.first.logits):
        on = (activation.flatten(1) > 0).float()  # (B, units); sums of 0 and 1 are exact
        both, count = on @ on.T, on.sum(1)
        neither = on.shape[1] - count[:, None] - count[None, :] + both
        kernel = kernel + (both + neither).double()  # eq. 1: units less the Hamming distance
    if not isinstance(kernel, Tensor):
        return -math.inf  # a network without any
    return float(torch.linalg.slogdet(kernel.cpu()).logabsdet)  # eq. 2: log |K|


def swap(probe: Probe) -> float:
    """How many different patterns of on and off over 16 images the activations have.

    Peng et al., SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS, ICLR 2024 (arXiv
    2403.04161): the number of different columns of the matrix (images, activations), over
    activations with pixels. Departures: the first 16 images of the minibatch, whose others still
    act through batch norms; the network's first weights, once, where the code takes the mean of 32
    draws of normal ones; activations that the logits do not depend on count nothing.
    """
    seen: Tensor | None = None
    for activation in _activations(probe.first.logits):
        if activation.dim() == 4:
            on = activation[:_PATTERN].flatten(1) > 0  # (images, units)
            bits = 2 ** torch.arange(len(on), device=on.device)
            seen = on.new_zeros(2 ** len(on)) if seen is None else seen
            seen[(on * bits[:, None]).sum(0)] = True
    return 0.0 if seen is None else float(seen.sum())


def swap_regular(probe: Probe) -> float:
    """`swap` times exp(-(P - m)^2 / s), which prefers networks of about m parameters.

    The paper's regularised score. P counts millions of parameters; m and s are both the probe's
    `millions`, as the paper sets them equal.
    """
    params = sum(parameter.numel() for parameter in probe.network.parameters()) / 1e6
    return swap(probe) * math.exp(-((params - probe.millions) ** 2) / probe.millions)


def _activations(logits: Tensor) -> Iterator[Tensor]:
    """What the activations behind `logits` kept; found in the graph of the backward pass."""
    ahead: list[Any] = [logits.grad_fn]
    seen = {None}
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        ahead += [before for before, _ in node.next_functions]
        if node.name() in _KEPT:
            yield getattr(node, _KEPT[node.name()]).detach()
