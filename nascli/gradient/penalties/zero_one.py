"""The zero-one loss: every weight is to end near 0 or 1.

Chu et al., Fair DARTS, ECCV 2020 (arXiv 1911.12126), eq. 6.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, Relaxation
from nascli.gradient.penalties import checks


class ZeroOne:
    """Adds -weight * mean((m - 1/2)^2) over all options m of the mixture.

    Made for `relaxation=sigmoid`; under any other it drives the mixture apart just so.

    Args:
        problem: what is searched for.
        weight: 10 is published.

    Raises:
        Fault: `weight` is below 0.
    """

    def __init__(self, problem: Problem, weight: float = 10.0) -> None:
        del problem
        checks.zero_one(weight)
        self._weight = weight

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss and the penalty, at any progress."""
        del progress
        own = relaxation.logits().detach().isfinite()
        away = torch.where(own, mixture.weights - 0.5, 0.0).square().sum()  # eq. 6
        return loss - self._weight * away / own.sum()
