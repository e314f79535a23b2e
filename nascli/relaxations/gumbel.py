"""The relaxations of SNAS, GDAS and FBNet: samples from the Gumbel-softmax distribution.

Xie et al., SNAS, ICLR 2019 (arXiv 1812.09926); Dong and Yang, GDAS, CVPR 2019 (arXiv 1910.04465);
Wu et al., FBNet, CVPR 2019 (arXiv 1812.03443). The distribution: Jang et al. 2017 (arXiv
1611.01144).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from nascli.core.supernet import Level, Mixture, Supernet
from nascli.relaxations.checks import gumbel as check
from nascli.relaxations.weights import Weights


class Gumbel(Weights):
    """softmax((log p + Gumbel noise) / temperature), where p is the softmax of alpha.

    The temperature falls from `start` to `end` over the search, by equal steps as GDAS publishes it
    ("linear") or by equal factors ("geometric"). `hard` takes the
    largest option of every choice alone, with weight 1 and the gradient of the soft sample
    (straight-through): such a step costs one path. As the sample has to be known before the
    supernet runs, a search on a GPU waits there for alpha once a step.

    Departure from the code of GDAS: options that were not sampled add nothing to the gradient;
    there their weights, zero in value, are added to every pixel.

    Args:
        supernet: where options compete.
        seed: of the first weights and of the noise.
        hard: whether one option a choice takes part.
        start: temperature at the beginning.
        end: temperature at the end.
        course: how it falls; "geometric" is what earlier versions always did.
        scale: standard deviation of the first weights.

    Raises:
        Fault: a temperature is not above 0, or there is no such course.
    """

    def __init__(
        self,
        supernet: Supernet,
        seed: int,
        hard: bool = False,
        start: float = 10.0,
        end: float = 0.1,
        scale: float = 1e-3,
        course: Literal["linear", "geometric"] = "geometric",
    ) -> None:
        check(start, end, course)
        super().__init__(supernet, seed, scale)
        self._hard, self._start, self._end, self._course = hard, start, end, course

    def temperature(self, progress: float) -> float:
        """From `start` to `end` as `progress` goes from 0 to 1."""
        if self._course == "linear":
            return self._start + (self._end - self._start) * progress
        return float(self._start * (self._end / self._start) ** progress)

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """One sample, the same way on both levels."""
        del level
        noisy = self.logits().log_softmax(dim=1) + self._noise()
        # Jang et al., eq. 2: softmax((log p + g) / temperature)
        soft = (noisy / self.temperature(progress)).softmax(dim=1)
        if not self._hard:
            return (Mixture(soft, self._kept),)
        chosen = noisy.detach().argmax(dim=1, keepdim=True)
        one_hot = torch.zeros_like(soft).scatter_(1, chosen, 1.0)
        active = tuple((number,) for number in chosen.flatten().tolist())
        return (Mixture(one_hot - soft.detach() + soft, active),)

    def expected(self) -> Mixture:
        """The chances p of every option; detached."""
        return Mixture(self.logits().detach().softmax(dim=1), self._kept)

    def _noise(self) -> Tensor:
        """(choices, options): Gumbel noise, drawn on the CPU so that it is the same everywhere."""
        drawn = torch.empty(self._alpha.shape).exponential_(generator=self._generator)
        return -drawn.log().to(self._alpha.device, non_blocking=True)
