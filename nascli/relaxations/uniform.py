"""No architecture weights: a path drawn uniformly at every step.

Li and Talwalkar, Random Search and Reproducibility for Neural Architecture Search, UAI 2019 (arXiv
1902.07638), section 4; Guo et al., Single Path One-Shot, ECCV 2020 (arXiv 1904.00420).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nascli.core.supernet import Level, Mixture, Supernet
from nascli.relaxations.weights import Weights


class Uniform(Weights):
    """Every step runs the path of one genotype, all with the same chance; nothing is learnt.

    Args:
        supernet: whose paths are drawn.
        seed: of all draws.
    """

    def __init__(self, supernet: Supernet, seed: int) -> None:
        super().__init__(supernet, seed, scale=0.0)
        self._supernet = supernet

    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """None."""
        return ()

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """One path: that of the genotype which random strengths prefer."""
        del progress, level
        drawn = torch.rand(self._absent.shape, generator=self._generator) + 1
        strengths = drawn.masked_fill(self._absent, 0.0)
        return (self._supernet.path(self._supernet.derive(strengths)),)

    def expected(self) -> Mixture:
        """Equal shares."""
        return Mixture(self.logits().detach().softmax(dim=1), self._kept)
