"""Beta-decay: architecture weights are kept close together and small.

Ye et al., beta-DARTS: Beta-Decay Regularization for Differentiable Architecture Search, CVPR 2022
(arXiv 2203.01665), eq. 13.
"""

from __future__ import annotations

from torch import Tensor

from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, Relaxation
from nascli.gradient.penalties import checks


class BetaDecay:
    """Adds weight * progress * mean over choices of log sum exp(alpha).

    Args:
        problem: what is searched for.
        weight: at the end of the search, from 0 linearly; published are 50 for 100 epochs of
            NAS-Bench-201 and 25 for 50 of DARTS' space.

    Raises:
        Fault: `weight` is below 0.
    """

    def __init__(self, problem: Problem, weight: float = 25.0) -> None:
        del problem
        checks.beta_decay(weight)
        self._weight = weight

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss and the penalty."""
        del mixture
        decay = relaxation.logits().logsumexp(dim=1).mean()  # eq. 13
        return loss + self._weight * progress * decay
