"""Passes of a supernet that a GPU records once and replays (CUDA graphs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from nascli.core.supernet import Mixture, Supernet
from nascli.supernet.recalibration import preserved

Active = tuple[tuple[int, ...], ...] | None


class Replayed:
    """Evaluates a supernet; training passes under mixtures of many options are recorded.

    A recording is of the forward and the backward pass, for one shape of images and one set of
    tensors that are to learn, and it holds the memory of both. Paths differ from step to step and
    are evaluated as ever. Second derivatives of a recorded pass cannot be had.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._recorded: dict[object, Callable[..., Tensor]] = {}

    def __call__(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes)."""
        active = mixture.active
        if active is not None and all(len(numbers) < 2 for numbers in active):
            return self._supernet(images, mixture)
        inputs = [images, mixture.weights, *([] if mixture.edges is None else [mixture.edges])]
        learning = [weight.requires_grad for weight in self._supernet.parameters()]
        about = [(tensor.shape, tensor.dtype, tensor.requires_grad) for tensor in inputs]
        key = (*about, *learning, active)
        if key not in self._recorded:
            self._recorded[key] = self._record(inputs, active)
        return self._recorded[key](*inputs)

    def _record(self, inputs: list[Tensor], active: Active) -> Callable[..., Tensor]:
        """A recording leaves all buffers as they are."""
        samples = [t.detach().clone().requires_grad_(t.requires_grad) for t in inputs]
        with preserved(self._supernet):
            recorded = torch.cuda.make_graphed_callables(
                _Pass(self._supernet, active), tuple(samples), allow_unused_input=True
            )
        return cast(Callable[..., Tensor], recorded)


class _Pass(nn.Module):
    """A supernet that takes tensors only."""

    def __init__(self, supernet: Supernet, active: Active) -> None:
        super().__init__()
        self.supernet, self.active = supernet, active

    def forward(self, images: Tensor, weights: Tensor, edges: Tensor | None = None) -> Tensor:
        return self.supernet(images, Mixture(weights, self.active, edges))
