"""The mixture at its worst: projected gradient ascent around it.

Chen and Hsieh, SDARTS, ICML 2020 (arXiv 2002.05283), SDARTS-ADV; Madry et al. 2018 (arXiv
1706.06083).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from nascli.core.problem import Problem
from nascli.core.supernet import Mixture
from nascli.data.batches import seeded
from nascli.gradient.gradients import gradients
from nascli.gradient.parts import Loss
from nascli.gradient.perturbations import checks
from nascli.gradient.perturbations.radius import among, present, radius_at


class Adversarial:
    """Moves the mixture where the loss of the step's own batch is largest nearby.

    A random start, then `steps` steps along the sign of the gradient, each held within the radius.
    The losses are those of a supernet in evaluation mode, and where the ascent has not come to a
    larger one the mixture stays as it was: both as in the published code.

    Args:
        problem: its seed is the start's.
        radius: of the ball around the mixture, at the end; 0.3 is published, growing from 0.03.
        steps: of the ascent, each a forward and a backward pass. Published are 7.
        rule: 2; or 1, that of earlier versions: in training mode, and wherever the ascent ends. A
            run folder of theirs goes on with it.

    Raises:
        Fault: `radius` is not above 0 and at most 1, `steps` below 1, or there is no such rule.
    """

    def __init__(
        self, problem: Problem, radius: float = 0.3, steps: int = 3, rule: int = 1
    ) -> None:
        checks.adversarial(radius, steps, rule)
        self._radius, self._steps = radius, steps
        self._evaluating = rule == 2
        self._generator = seeded(problem.seed, "perturbation")

    def __call__(self, mixture: Mixture, loss: Loss, progress: float) -> Mixture:
        """The mixture at the end of the ascent, or as it was where that is no worse."""
        radius, there = radius_at(self._radius, progress), present(mixture)
        noise = 2 * torch.rand(mixture.weights.shape, generator=self._generator) - 1
        moved = among(mixture, mixture.weights + radius * noise.to(mixture.weights), there)
        low, high = mixture.weights - radius, mixture.weights + radius
        for _ in range(self._steps):
            weights = moved.weights.requires_grad_()
            found = loss(replace(moved, weights=weights), evaluating=self._evaluating)
            (gradient,) = gradients(found, [weights])
            ascended = weights.detach() + 2 * radius / self._steps * gradient.sign()
            moved = among(mixture, ascended.clamp(low, high), there)
        return self._worse(mixture, moved, loss) if self._evaluating else moved

    @staticmethod
    @torch.no_grad()
    def _worse(before: Mixture, after: Mixture, loss: Loss) -> Mixture:
        """`after`, unless the loss has fallen; the accelerator is asked for no value."""
        fell = loss(before, evaluating=True) > loss(after, evaluating=True)
        return replace(after, weights=torch.where(fell, before.weights, after.weights).detach())

    def state_dict(self) -> dict[str, Any]:
        """Where the generator stands."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._generator.set_state(state["generator"])
