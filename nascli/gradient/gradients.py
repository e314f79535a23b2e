"""Gradients of a loss that need not depend on what it is differentiated by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gradients(loss: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of the loss for each input; zeros for one that takes no part in it.

    A sampled path may consist of `none` alone; then the loss depends on no architecture weight.
    """
    if not loss.requires_grad:
        return with_zeros([None] * len(inputs), inputs)
    return with_zeros(torch.autograd.grad(loss, inputs, allow_unused=True), inputs)


def with_zeros(found: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    """The gradients `found`, zeros in the shape of `like` for what takes no part."""
    pairs = zip(found, like, strict=True)
    return [torch.zeros_like(other) if g is None else g for g, other in pairs]
