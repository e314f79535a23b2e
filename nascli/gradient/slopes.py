"""Gradients of a loss that need not hang on what it is differentiated by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def slopes(loss: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of the loss for each input; zeros for one that takes no part in it.

    A sampled path may consist of `none` alone; then the loss hangs on no architecture weight.
    """
    if not loss.requires_grad:
        return filled([None] * len(inputs), inputs)
    return filled(torch.autograd.grad(loss, inputs, allow_unused=True), inputs)


def filled(gradients: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, zeros for what takes no part."""
    pairs = zip(gradients, like, strict=True)
    return [torch.zeros_like(other) if g is None else g for g, other in pairs]
