"""What a search wants: objectives to reach for, constraints to keep, and how they order trials."""

from __future__ import annotations

import math
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


class Outcome(Protocol):
    """What a trial has come to, as far as a goal looks at it (see `nascli.core.trial.Trial`)."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """What was measured."""

    @property
    def infeasible(self) -> str | None:
        """Which constraint it breaks; None if it keeps all."""

    @property
    def error(self) -> str | None:
        """Why it failed; None if it did not."""


@dataclass(frozen=True)
class Goal:
    """What counts as good.

    With several objectives the search is for a front, unless `scalarisation` makes one loss of
    them. Constraints are numbers; a percentage has become one before a goal is made of it.
    """

    objectives: tuple[Objective, ...] = (Objective("accuracy", "max"),)
    constraints: tuple[Constraint, ...] = ()
    scalarisation: Scalarisation | None = None

    @property
    def front(self) -> bool:
        """Whether a front is searched for, and not one best genotype."""
        return len(self.objectives) > 1 and self.scalarisation is None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that it looks at."""
        read = [objective.metric for objective in self.objectives]
        read += [constraint.metric for constraint in self.constraints]
        read += self.scalarisation.metrics if self.scalarisation is not None else ()
        return tuple(dict.fromkeys(read))

    def loss(self, trial: Outcome) -> float:
        """What to minimise; +inf for a failed or infeasible trial.

        It is the scalarisation's loss, or else the first objective's.
        """
        if trial.error is not None or trial.infeasible is not None:
            return math.inf
        if self.scalarisation is not None:
            return self.scalarisation.loss(self.objectives[0], trial.metrics)
        return self.objectives[0].loss(trial.metrics)

    def losses(self, trial: Outcome) -> tuple[float, ...]:
        """Every objective as something to minimise; +inf for a failed or infeasible trial."""
        if trial.error is not None or trial.infeasible is not None:
            return (math.inf,) * len(self.objectives)
        return tuple(objective.loss(trial.metrics) for objective in self.objectives)

    def violation(self, trial: Outcome) -> float:
        """How far the trial breaks the constraints (Deb et al. 2002, section VI): 0 if it does not.

        The sum over constraints of the share by which each is exceeded; +inf for a failed trial.
        """
        if trial.error is not None:
            return math.inf
        if trial.infeasible is None:
            return 0.0
        return sum(constraint.excess(trial.metrics) for constraint in self.constraints)

    def rank(self, trial: Outcome) -> tuple[float, float]:
        """Orders all trials, good and infeasible ones: the violation first, then the loss."""
        return self.violation(trial), self.loss(trial)

    def broken(self, metrics: Mapping[str, float]) -> str | None:
        """The constraints that `metrics` break, in words; None if they keep all they speak of."""
        reasons = [reason for c in self.constraints if (reason := c.broken(metrics))]
        return "; ".join(reasons) or None
