"""The relaxation of DrNAS: mixtures drawn from Dirichlet distributions.

Chen et al., DrNAS: Dirichlet Neural Architecture Search, ICLR 2021 (arXiv 2006.10355), eq. 2 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Dirichlet as Distribution

from nascli.core.supernet import Level, Mixture, Supernet
from nascli.relaxations.weights import Weights


class Dirichlet(Weights):
    """A choice's mixture is drawn from Dir(elu(alpha) + 1); gradients pass through the draw.

    Draws are made on the CPU, where the generator is: on a GPU each costs one wait for alpha. The
    published regulariser, which holds the concentrations near 1, is the weight decay of alpha here
    (its L2 form).

    See `nascli.relaxations.weights.Weights` for the arguments.
    """

    def __init__(self, supernet: Supernet, seed: int, scale: float = 1e-3) -> None:
        super().__init__(supernet, seed, scale, least=2)

    def concentrations(self) -> Tensor:
        """(choices, options): all above 0; 0 where a choice lacks the option."""
        positive = torch.nn.functional.elu(self.priced()) + 1
        return positive.masked_fill(self._mask, 0.0)

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """One draw, the same way on both levels and for any progress."""
        del progress, level
        return (
            Mixture(self._draw(self.concentrations().cpu()).to(self._alpha.device), self._kept),
        )

    def expected(self) -> Mixture:
        """The mean of each distribution; detached."""
        concentrations = self.concentrations().detach()
        return Mixture(concentrations / concentrations.sum(1, keepdim=True), self._kept)

    def _draw(self, concentrations: Tensor) -> Tensor:
        present = ~self._absent
        counts = present.sum(1)
        drawn = torch.zeros_like(concentrations)
        for count in sorted(set(counts.tolist())):  # choices of equally many options together
            rows = counts == count
            where = present & rows[:, None]
            sample = self._sample(concentrations[where].view(-1, count))
            drawn = drawn.masked_scatter(where, sample)
        return drawn

    def _sample(self, concentrations: Tensor) -> Tensor:
        """rsample() takes no generator, so ours stands in for the global one meanwhile."""
        before = torch.get_rng_state()
        torch.set_rng_state(self._generator.get_state())
        try:
            sample: Tensor = Distribution(concentrations, validate_args=False).rsample()
            self._generator.set_state(torch.get_rng_state())
        finally:
            torch.set_rng_state(before)
        return sample
