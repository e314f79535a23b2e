"""The gradient of the validation loss through one step of the weights.

Liu et al., DARTS, ICLR 2019 (arXiv 1806.09055), eq. 7 and 8. With L the training and V the
validation loss, a what is differentiated by, and a step of SGD of rate xi from w,

    w'(a) = w - xi (mu m + dL(w, a)/dw + lambda w),

only dL/dw depends on a, so dw'/da = -xi d2L(w, a)/dw da, and the chain rule gives eq. 7:

    dV(w'(a), a)/da = partial V(w', a)/partial a - xi (d2L(w, a)/da dw) v,   v = dV(w', a)/dw'.

The matrix is never formed. Its product with v is the derivative of dL/da along v (eq. 8),

    (d2L/da dw) v ~ (dL(w + e v, a)/da - dL(w - e v, a)/da) / 2 e,   e = 0.01 / |v|,

or, exactly, the gradient of the number (dL/dw) . v by a, with v constant. Momentum m and weight
decay lambda move w' but add nothing to dw'/da, for m is constant and w does not depend on a.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nascli.core.supernet import Mixture
from nascli.gradient.gradients import gradients, with_zeros
from nascli.gradient.method import SecondOrder
from nascli.kernels.native.library import without

_RADIUS = 1e-2  # e |v|, as published


@dataclass(frozen=True)
class Unrolled:
    """w' = w - rate * (momentum * m + dL_train/dw + decay * w), as SGD would step without clipping.

    Args:
        weights: w.
        momenta: m, one a weight; None for the first step.
        rate: the learning rate xi.
        momentum: of SGD.
        decay: its weight decay.
        product: how the product of the mixed second derivative and a vector is found:
            "finite_difference" between w plus and minus a small multiple of the vector (eq. 8), or
            "exact", by differentiating twice.
    """

    weights: Sequence[Tensor]
    momenta: Sequence[Tensor | None]
    rate: float
    momentum: float
    decay: float
    product: SecondOrder

    def gradients(
        self,
        train: Callable[[], Tensor],
        valid: Callable[[], Tensor],
        inputs: Sequence[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """(L_val(w', a), its gradient for each of the `inputs` a), eq. 7; `weights` end as before.

        `train` and `valid` compute the losses from `weights` and `inputs` as they then are.
        """
        forward = torch.autograd.grad(train(), self.weights, allow_unused=True)
        with moved(self.weights, self._step(forward), 1.0):
            loss = valid()
            found = torch.autograd.grad(loss, [*inputs, *self.weights], allow_unused=True)
        direct, vector = with_zeros(found[: len(inputs)], inputs), found[len(inputs) :]
        product = self._exact if self.product == "exact" else self._finite_difference
        mixed = product(train, with_zeros(vector, self.weights), inputs)
        total = [d - self.rate * m for d, m in zip(direct, mixed, strict=True)]  # eq. 7
        return loss.detach(), total

    def _step(self, found: Sequence[Tensor | None]) -> list[Tensor]:
        """w' - w."""
        steps = []
        known = with_zeros(found, self.weights)
        for weight, moment, gradient in zip(self.weights, self.momenta, known, strict=True):
            step = gradient + self.decay * weight.detach()
            step = step if moment is None else step + self.momentum * moment
            steps.append(-self.rate * step)
        return steps

    def _exact(
        self, train: Callable[[], Tensor], vector: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> list[Tensor]:
        with without():  # only what torch computes can be differentiated twice
            loss = train()
        graph = torch.autograd.grad(loss, self.weights, create_graph=True, allow_unused=True)
        product = sum((g * v).sum() for g, v in zip(graph, vector, strict=True) if g is not None)
        assert isinstance(product, Tensor)
        return gradients(product, inputs)

    def _finite_difference(
        self, train: Callable[[], Tensor], vector: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> list[Tensor]:
        norm = torch.stack([v.square().sum() for v in vector]).sum().sqrt()
        radius = _RADIUS / norm.clamp_min(torch.finfo(norm.dtype).tiny)
        sides = []
        for sign in (1, -1):
            with moved(self.weights, vector, sign * radius), frozen(self.weights):
                sides.append(gradients(train(), inputs))
        return [(plus - minus) / (2 * radius) for plus, minus in zip(*sides, strict=True)]  # eq. 8


@contextmanager
def moved(
    weights: Sequence[Tensor], steps: Sequence[Tensor], factor: float | Tensor
) -> Iterator[None]:
    """Adds `factor * steps` to the weights; puts the very same values back at the end."""
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, step in zip(weights, steps, strict=True):
            weight.add_(step * factor)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)


@contextmanager
def frozen(weights: Sequence[Tensor]) -> Iterator[None]:
    """Passes within keep nothing that only the gradients of the weights would need."""
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_()


@contextmanager
def twice_differentiable(weights: Sequence[Tensor]) -> Iterator[None]:
    """The same, and what is computed within can be differentiated twice."""
    with frozen(weights), without():
        yield


def leaf(mixture: Mixture) -> Mixture:
    """The same values, to be differentiated by."""
    edges = mixture.edges
    return replace(
        mixture,
        weights=mixture.weights.detach().requires_grad_(),
        edges=None if edges is None else edges.detach().requires_grad_(),
    )
