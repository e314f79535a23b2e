"""The radius of a perturbation, and how a perturbed mixture stays one.

Chen and Hsieh, Stabilizing Differentiable Architecture Search via Perturbation-based
Regularization, ICML 2020 (arXiv 2002.05283), section 3 and its published code.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from nascli.core.supernet import Mixture

_FIRST = 0.03


def radius_at(radius: float, progress: float) -> float:
    """From 0.03 (or `radius`, if that is less) linearly to `radius` as `progress` goes to 1."""
    first = min(_FIRST, radius)
    return first + (radius - first) * progress


def present(mixture: Mixture) -> Tensor:
    """(choices, options): 1 where an option takes part."""
    if mixture.active is None:
        return (mixture.weights > 0).to(mixture.weights)
    found = mixture.weights.new_zeros(mixture.weights.shape)
    for row, numbers in zip(found, mixture.active, strict=True):
        row[list(numbers)] = 1
    return found


def among(mixture: Mixture, weights: Tensor, there: Tensor) -> Mixture:
    """The mixture with other `weights`, brought back to what a mixture may have.

    None is below 0 or of an absent option, and every choice sums to what it summed to before.
    """
    positive = weights.clamp_min(0.0) * there
    sums = positive.sum(1, keepdim=True)
    before = mixture.weights.sum(1, keepdim=True)
    scaled = positive * (before / sums.clamp_min(1e-12))
    return replace(mixture, weights=scaled.where(sums > 0, mixture.weights).detach())
