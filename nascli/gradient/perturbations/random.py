"""Random smoothing of the mixture.

Chen and Hsieh, SDARTS, ICML 2020 (arXiv 2002.05283), SDARTS-RS.
"""

from __future__ import annotations

from typing import Any

import torch

from nascli.core.problem import Problem
from nascli.core.supernet import Mixture
from nascli.data.batches import seeded
from nascli.gradient.parts import Loss
from nascli.gradient.perturbations import checks
from nascli.gradient.perturbations.radius import among, present, radius_at


class Random:
    """Adds uniform noise to every weight of the mixture.

    Args:
        problem: its seed is the noise's.
        radius: of the noise, at the end; 0.3 is published, growing from 0.03.

    Raises:
        Fault: `radius` is not above 0 and at most 1.
    """

    def __init__(self, problem: Problem, radius: float = 0.3) -> None:
        checks.random(radius)
        self._radius = radius
        self._generator = seeded(problem.seed, "perturbation")

    def __call__(self, mixture: Mixture, loss: Loss, progress: float) -> Mixture:
        """The mixture with noise; the loss is not looked at."""
        del loss
        noise = 2 * torch.rand(mixture.weights.shape, generator=self._generator) - 1
        moved = mixture.weights + radius_at(self._radius, progress) * noise.to(mixture.weights)
        return among(mixture, moved, present(mixture))

    def state_dict(self) -> dict[str, Any]:
        """Where the generator stands."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._generator.set_state(state["generator"])
