"""Prices under which a gradient search prefers networks that keep its constraints.

Everett, Generalized Lagrange Multiplier Method for Solving Problems of Optimum Allocation of
Resources, Operations Research 11(3), 1963.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, Priced, Relaxation
from nascli.costs.additive import ADDITIVE
from nascli.gradient.additive import AdditiveCost

_SWEEPS = 3  # over several constraints, each weight in turn
_RAISES = 14  # of all weights by a twentieth, to twice what they are
_NEAR = 1.05  # times the least cost, where no network keeps a bound
_LEAST, _LARGEST = 1e-3, 1e6  # where a weight is looked for first, and where no further
_HALVINGS = 10


class Budget:
    """Charges every option for what it costs, no more than it takes to keep the constraints.

    logits = alpha - sum over constraints of w x c / bound, where c is what an option adds to the
    cost. Each w is the least at which the network of the largest logits, `none` left out, costs no
    more than the bound: the dual of "the largest sum of alphas within the bounds", solved anew
    after each architecture step. So alpha learns from the loss alone what options are worth, the
    mixture leans to what is affordable as far as alpha tells options apart, and a genotype is
    derived from alpha, within the bounds (`nascli.costs.within`).

    Several weights are found in turn, a few times over, and then raised together until all bounds
    are kept, at most to twice as much: where costs pull apart, one may stay broken. If no network
    without `none` keeps a bound, one within a twentieth of the least cost is preferred. Nothing is
    priced where no constraint is on a cost that adds up over choices; others, such as peak memory,
    are kept when a genotype is derived.

    Departure: Lagrangian methods of the field add w (E - bound) to the loss, with E the expected
    cost. While chances are nearly equal E is that of the middle of the space, so a tight bound
    makes everything cheap, long before alpha tells anything.

    Args:
        problem: its constraints are the bounds.
    """

    def __init__(self, problem: Problem) -> None:
        self._warn = problem.listener.warn
        costs = {}
        for constraint in problem.goal.constraints:
            if constraint.metric in ADDITIVE:
                try:
                    cost = AdditiveCost(problem, constraint.metric, "the constraint")
                except Fault as fault:
                    self._warn(f"warning: the search is not led below a bound: {fault}")
                else:
                    costs[constraint.metric] = cost, constraint.maximum
        self._costs = costs
        self.weights = dict.fromkeys(costs, 0.0)
        """Metric -> w."""

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss itself: options are priced, and not the loss."""
        del mixture, relaxation, progress
        return loss

    def lead(self, relaxation: Relaxation) -> None:
        """Finds the weights anew and prices `relaxation` by them."""
        if not self._costs:
            return
        if not isinstance(relaxation, Priced):
            self._warn(
                "warning: the search is not led below a bound: its relaxation has no `prices` "
                "(see nascli.core.supernet.Priced)"
            )
            self._costs = {}
            return
        relaxation.prices = None
        alpha, edges = relaxation.logits().detach().cpu(), _edges(relaxation)
        prices = {
            metric: cost.slopes(cost.without_none(alpha), edges) / bound
            for metric, (cost, bound) in self._costs.items()
        }
        self._find(alpha, prices, edges)
        relaxation.prices = self._total(prices).to(relaxation.logits())

    def _find(self, alpha: Tensor, prices: Mapping[str, Tensor], edges: Tensor | None) -> None:
        for _ in range(_SWEEPS if len(prices) > 1 else 1):
            for metric, own in prices.items():
                others = self._total(prices) - self.weights[metric] * own
                self.weights[metric] = self._least(metric, alpha - others, own, edges)
        for _ in range(_RAISES if len(prices) > 1 else 0):  # one may rely on what another gave up
            priced = alpha - self._total(prices)
            if all(self._over(metric, priced, edges) <= 0 for metric in prices):
                break
            self.weights = {metric: 1.05 * weight for metric, weight in self.weights.items()}

    def _total(self, prices: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.weights[metric] * own for metric, own in prices.items()]).sum(0)

    def _least(self, metric: str, logits: Tensor, prices: Tensor, edges: Tensor | None) -> float:
        """The least weight at which the preferred network keeps the bound, or is near the least."""

        def over(weight: float) -> float:
            return self._over(metric, logits - weight * prices, edges)

        free = over(0.0)
        if free <= 0:
            return 0.0
        least = over(_LARGEST)
        allowed = 0.0 if least <= 0 else (1 + least) * _NEAR - 1
        if free <= allowed:
            return 0.0
        low, high = 0.0, _LEAST
        while high < _LARGEST and over(high) > allowed:
            low, high = high, 2 * high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if over(middle) > allowed else (low, middle)
        return high

    def _over(self, metric: str, logits: Tensor, edges: Tensor | None) -> float:
        """The share by which the network of the largest logits is above its bound."""
        cost, bound = self._costs[metric]
        chances = cost.without_none(logits)
        largest = torch.zeros_like(chances).scatter_(1, chances.argmax(1, keepdim=True), 1.0)
        return float(cost.expected(largest, edges)) / bound - 1

    def readout(self, relaxation: Relaxation) -> Mapping[str, float]:
        """Of each metric `expected_<metric>` and `preferred_<metric>`, in its unit, and w.

        The first is what a network drawn by the chances softmax(logits) costs on average, `none`
        left out; the second is of the largest logits. w is `pressure_<metric>` and has no unit.
        """
        logits, edges = relaxation.logits().detach().cpu(), _edges(relaxation)
        found = {}
        for metric, (cost, bound) in self._costs.items():
            expected = cost.expected(cost.without_none(logits), edges)
            found[f"expected_{metric}"] = float(expected)
            found[f"preferred_{metric}"] = (1 + self._over(metric, logits, edges)) * bound
            found[f"pressure_{metric.removesuffix('_ms')}"] = self.weights[metric]
        return found

    def state_dict(self) -> dict[str, Any]:
        """The weights."""
        return dict(self.weights)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.weights = {metric: float(state[metric]) for metric in self.weights}


def _edges(relaxation: Relaxation) -> Tensor | None:
    edges = relaxation.expected().edges
    return None if edges is None else edges.cpu()
