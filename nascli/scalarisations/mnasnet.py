"""MnasNet's reward: the objective, scaled by a power of the cost.

Tan et al., MnasNet: Platform-Aware Neural Architecture Search for Mobile, CVPR 2019
(arXiv 1807.11626), equations 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping

from nascli.core.fault import Fault
from nascli.core.goal import Objective


class MnasNet:
    """ACC(m) x (LAT(m) / T)^w, w being `below` for LAT(m) <= T and `above` otherwise.

    The paper's soft constraint is below = above = -0.07, its hard one below = 0, above = -1. With
    an objective that is to be minimised the exponents change their sign.

    Args:
        metric: the cost, in the unit that its name says.
        target: T, in the same unit.
        below: w up to the target, at most 0.
        above: w beyond it, at most 0.
    """

    def __init__(self, metric: str, target: float, below: float, above: float) -> None:
        if target <= 0:
            raise Fault(f"scalarisation.target is {target}; it must be above 0")
        for name, value in (("below", below), ("above", above)):
            if value > 0:
                raise Fault(f"scalarisation.{name} is {value}; it must be at most 0, such as -0.07")
        self.metrics = (metric,)
        self._target, self._below, self._above = target, below, above

    def loss(self, objective: Objective, metrics: Mapping[str, float]) -> float:
        """The reward, negative where the objective is to grow."""
        ratio = metrics[self.metrics[0]] / self._target
        exponent = self._below if ratio <= 1 else self._above
        loss = objective.loss(metrics)
        return float(loss * ratio ** (exponent if loss < 0 else -exponent))
