"""A soft constraint: what a cost exceeds its target by is taken off the objective."""

from __future__ import annotations

from collections.abc import Mapping

from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Objective


class Penalty:
    """loss + weight x max(0, cost / target - 1): nothing below the target, linear beyond it.

    Args:
        metric: the cost, in the unit that its name says.
        target: the cost aimed at, in the same unit.
        weight: in units of the objective, for an excess of 100 %.
    """

    def __init__(self, metric: str, target: float, weight: float) -> None:
        for name, value in (("target", target), ("weight", weight)):
            if value <= 0:
                raise Fault(f"scalarisation.{name} is {value}; it must be above 0")
        self.metrics = (metric,)
        self._bound, self._weight = Constraint(metric, target), weight

    def loss(self, objective: Objective, metrics: Mapping[str, float]) -> float:
        """The objective's loss and the penalty."""
        return objective.loss(metrics) + self._weight * self._bound.excess(metrics)
