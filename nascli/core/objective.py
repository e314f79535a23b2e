"""What a search wants: objectives to reach for, constraints to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Objective:
    """One metric and the direction in which it gets better."""

    metric: str
    direction: Literal["max", "min"]

    def loss(self, metrics: Mapping[str, float]) -> float:
        """The metric as something to minimise."""
        value = metrics[self.metric]
        return -value if self.direction == "max" else value


@dataclass(frozen=True, slots=True)
class Constraint:
    """An upper bound on a metric, in the metric's unit; it is hard."""

    metric: str
    maximum: float

    def broken(self, metrics: Mapping[str, float]) -> str | None:
        """Why these metrics break the bound; None if they keep it or do not say."""
        value = metrics.get(self.metric)
        if value is None or value <= self.maximum:
            return None
        return f"{self.metric} {value:g} exceeds {self.maximum:g}"

    def excess(self, metrics: Mapping[str, float]) -> float:
        """How far these metrics are above the bound, as a share of it; 0 if they keep it."""
        return max(0.0, metrics.get(self.metric, 0.0) / self.maximum - 1)


class Scalarisation(Protocol):
    """Built as `Scalarisation(**yaml)`: makes one loss out of an objective and the costs."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it reads besides the objective's."""

    def loss(self, objective: Objective, metrics: Mapping[str, float]) -> float:
        """Something to minimise."""
