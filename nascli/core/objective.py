"""What a search wants: objectives to reach for, constraints to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


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
