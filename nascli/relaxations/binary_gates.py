"""The relaxation of ProxylessNAS: binary gates, two sampled paths.

Cai et al., ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware, ICLR 2019
(arXiv 1812.00332), section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nascli.core.supernet import Level, Mixture, Supernet
from nascli.relaxations.weights import Weights


class BinaryGates(Weights):
    """Every choice opens one gate, chosen with the chances p = softmax(alpha).

    A weight step runs the chosen path alone. An architecture step draws two options each without
    replacement and opens one of the two gates, by their chances among themselves; both are
    computed, and the gradient of the closed gate too goes into alpha (eq. 4 over the two).

    After the step both alphas are shifted alike, so that the chances of all other options stay what
    they were. That takes an Adam with beta1 = 0 and no weight decay, as published: with momentum,
    options that were not drawn go on moving.

    See `nascli.relaxations.weights.Weights` for the arguments.
    """

    def __init__(self, supernet: Supernet, seed: int, scale: float = 1e-3) -> None:
        super().__init__(supernet, seed, scale, least=2)
        self._pair: tuple[Tensor, Tensor] | None = None  # numbers and alphas before the step

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """One path (weights), or two with one gate open (architecture), for any progress."""
        del progress
        logits = self.logits()
        chances = logits.detach().cpu().softmax(dim=1)
        count = 1 if level == "weights" else 2
        drawn = chances.multinomial(count, generator=self._generator)  # (choices, count)
        active = tuple(tuple(sorted(numbers)) for numbers in drawn.tolist())
        drawn = drawn.to(logits.device)
        if level == "architecture":
            self._pair = drawn, logits.detach().gather(1, drawn)
        pair = logits.gather(1, drawn).softmax(dim=1)
        opened = pair.detach().cpu().multinomial(1, generator=self._generator).to(logits.device)
        gates = torch.zeros_like(pair).scatter_(1, opened, 1.0)
        # Forward the open gate (eq. 3), backward the chances p of the pair: with dL/dgates = d,
        # dL/dalpha_i = sum over j of d_j p_j (delta_ij - p_i), which is eq. 4 over the two.
        straight = gates - pair.detach() + pair
        return (Mixture(torch.zeros_like(logits).scatter(1, drawn, straight), active),)

    def rescale(self) -> None:
        """Shifts the two alphas of every choice so that exp(alpha) sums to what it did before."""
        if self._pair is None:
            return
        drawn, before = self._pair
        with torch.no_grad():
            after = self.priced().gather(1, drawn)
            offset = after.logsumexp(1, keepdim=True) - before.logsumexp(1, keepdim=True)
            self._alpha.scatter_(1, drawn, self._alpha.gather(1, drawn) - offset)
        self._pair = None

    def expected(self) -> Mixture:
        """The chances of every option; detached."""
        return Mixture(self.logits().detach().softmax(dim=1), self._kept)
