"""The largest eigenvalue of a Hessian, from products with vectors.

Lanczos 1950, "An iteration method for the solution of the eigenvalue problem".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def largest_eigenvalue(
    loss: Tensor, inputs: Sequence[Tensor], generator: torch.Generator, steps: int = 12
) -> float:
    """The algebraically largest eigenvalue of the second derivatives of `loss` by `inputs`.

    After `steps` steps of Lanczos' iteration, each kept orthogonal to all before, the largest
    eigenvalue of the small tridiagonal matrix is nearly that of the whole Hessian, and never more.
    """
    if not loss.requires_grad:
        return 0.0
    found = torch.autograd.grad(loss, inputs, create_graph=True, allow_unused=True)
    used = [(g, x) for g, x in zip(found, inputs, strict=True) if g is not None and g.requires_grad]
    if not used:
        return 0.0
    gradient = torch.cat([g.flatten() for g, _ in used])
    wanted = [x for _, x in used]
    vector = torch.randn(len(gradient), generator=generator).to(gradient)
    basis: list[Tensor] = []
    columns: list[Tensor] = []
    for _ in range(min(steps, len(gradient))):
        length = vector.norm()
        if basis and float(length) < 1e-6 * float(columns[-1].norm() + 1e-30):
            break
        basis.append(vector / length)
        columns.append(_product(gradient, wanted, basis[-1]))
        vector = columns[-1]
        for _ in range(2):  # twice is enough, in floating point
            for other in basis:
                vector = vector - (vector @ other) * other
    projected = torch.stack(basis) @ torch.stack(columns).T  # Q' H Q
    return float(torch.linalg.eigvalsh((projected + projected.T).double() / 2)[-1])


def _product(gradient: Tensor, inputs: Sequence[Tensor], vector: Tensor) -> Tensor:
    """Hessian times vector: the gradient of (gradient . vector)."""
    found = torch.autograd.grad(
        gradient @ vector, inputs, retain_graph=True, materialize_grads=True
    )
    return torch.cat([g.flatten() for g in found]).detach()
