"""The pressure under which a gradient search meets its constraints, with a weight that it finds.

Dual ascent on the multipliers of an augmented Lagrangian: Bertsekas, Constrained Optimization and
Lagrange Multiplier Methods, 1982, section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, Relaxation
from nascli.costs.additive import ADDITIVE
from nascli.gradient.additive import AdditiveCost
from nascli.gradient.penalties import checks


class Budget:
    """Adds max(0, w + damping x g) x g for each constraint on a cost that adds up over choices.

    g = E / bound - 1, where E is what a network drawn by the chances softmax(alpha), `none` left
    out, is expected to cost. After each architecture step w <- max(0, w + rate x g), so that w
    rises while networks are too expensive and falls while they are cheaper than they need be.
    Nothing is added where there are no such constraints; constraints on other costs, such as the
    peak memory, are kept when a genotype is derived.

    Args:
        problem: its constraints are the bounds.
        rate: of the ascent, in multiples of the architecture weights' learning rate: both levels
            then take as many steps to get anywhere.
        damping: what keeps w from swinging around its value.

    Raises:
        Fault: a value is not allowed.
    """

    def __init__(self, problem: Problem, rate: float = 2.0, damping: float = 1.0) -> None:
        checks.budget(rate, damping)
        self._rate, self._damping = rate, damping
        bounds = problem.goal.constraints
        costs = {}
        for constraint in bounds:
            if constraint.metric in ADDITIVE:
                try:
                    cost = AdditiveCost(problem, constraint.metric, "the constraint")
                except Fault as fault:
                    problem.listener.warn(f"warning: the search is not led below a bound: {fault}")
                else:
                    costs[constraint.metric] = cost, constraint.maximum
        self._costs = costs
        if costs:
            self._rate *= float(problem.recipe.architecture["learning_rate"])
        self.weights = {metric: torch.zeros(()) for metric in costs}
        """Metric -> w."""

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss and the pressure; then the ascent of the weights."""
        del progress
        for metric, over in self._over(relaxation, mixture.edges).items():
            weight = self.weights[metric].to(over)
            loss = loss + (weight + self._damping * over.detach()).clamp_min(0) * over
            self.weights[metric] = (weight + self._rate * over.detach()).clamp_min(0)
        return loss

    def _over(self, relaxation: Relaxation, edges: Tensor | None) -> dict[str, Tensor]:
        """Metric -> the share by which the expected cost is above its bound."""
        logits, found = relaxation.logits(), {}
        for metric, (cost, bound) in self._costs.items():
            found[metric] = cost.expected(cost.without_none(logits), edges) / bound - 1
        return found

    def readout(self, relaxation: Relaxation) -> Mapping[str, float]:
        """`expected_<metric>` in the metric's unit, and `pressure_<metric>` without it: w."""
        with torch.no_grad():
            over = self._over(relaxation, relaxation.expected().edges)
        found = {}
        for metric, (_, bound) in self._costs.items():
            found[f"expected_{metric}"] = (1 + float(over[metric])) * bound
            found[f"pressure_{metric.removesuffix('_ms')}"] = float(self.weights[metric])
        return found

    def state_dict(self) -> dict[str, Any]:
        """The weights."""
        return {metric: float(weight) for metric, weight in self.weights.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.weights = {metric: torch.tensor(state[metric]) for metric in self.weights}
