"""The relaxation of DARTS: a softmax over the options of every choice.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019 (arXiv 1806.09055), eq. 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from nascli.core.supernet import Level, Mixture
from nascli.relaxations.weights import Weights


class Softmax(Weights):
    """A choice's mixture is the softmax of its own weights; nothing is sampled.

    See `nascli.relaxations.weights.Weights` for the arguments.
    """

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """One mixture, the same for any progress and level."""
        del progress, level
        return (Mixture(self.logits().softmax(dim=1), self._kept),)  # eq. 2

    def expected(self) -> Mixture:
        """The same; detached."""
        return Mixture(self.logits().detach().softmax(dim=1), self._kept)
