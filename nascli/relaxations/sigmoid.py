"""The relaxation of Fair DARTS: a sigmoid for every option on its own.

Chu et al., Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search, ECCV
2020 (arXiv 1911.12126), eq. 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from nascli.core.supernet import Level, Mixture
from nascli.relaxations.weights import Weights


class Sigmoid(Weights):
    """Options cooperate instead of competing: each has a share from 0 to 1, and rows sum to any.

    See `nascli.relaxations.weights.Weights` for the arguments.
    """

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """One mixture, the same for any progress and level."""
        del progress, level
        return (Mixture(self.logits().sigmoid(), self._kept),)  # eq. 4

    def expected(self) -> Mixture:
        """The same; detached."""
        return Mixture(self.logits().detach().sigmoid(), self._kept)
