"""The problem: everything that a strategy or an estimator may know."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.objective import Constraint, Objective, Scalarisation
from nascli.core.space import Relaxable, SearchSpace
from nascli.core.task import Task
from nascli.core.trial import Trial

if TYPE_CHECKING:
    from nascli.core.device import Device
    from nascli.core.supernet import Relaxation, Supernet


@dataclass
class Problem:
    """A space, a task and a device, and what counts as good on them.

    With several objectives the search is for a front, unless `scalarisation` makes one loss of
    them. `training` is the recipe of the `training` config group. `run_on` ("auto", "cpu" or
    "cuda") is where the search runs, `device` the hardware that the network is for (None: do not
    measure). `fidelity` is the share of the recipe that a full trial gets. `relaxation` is the one
    under which a gradient search is training the supernet, and `readout` what else is to be said of
    the genotype that it proposes, as metrics; `effort` is what an epoch of it takes.
    `progress(done, text)` says how far one long step is, `done` from 0 to 1; `warn(text)` says what
    the user ought to know.
    """

    space: SearchSpace
    task: Task
    training: Any
    objectives: tuple[Objective, ...] = (Objective("accuracy", "max"),)
    constraints: tuple[Constraint, ...] = ()
    scalarisation: Scalarisation | None = None
    device: Device | None = None
    run_on: str = "cpu"
    seed: int = 0
    fidelity: float = 1.0
    relaxation: Relaxation | None = None
    readout: Mapping[str, float] = field(default_factory=dict)
    effort: Mapping[str, float] = field(default_factory=dict)
    progress: Callable[[float, str], None] = lambda _done, _text: None
    warn: Callable[[str], None] = lambda _text: None

    @cached_property
    def accelerator(self) -> str:
        """Either "cpu" or "cuda"; found out on first use, for a table search needs no torch."""
        if self.run_on != "auto":
            return self.run_on
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def supernet(self) -> Supernet:
        """The supernet that strategy and estimators share, built on first use from the seed.

        Raises:
            Fault: the space has none.
        """
        if not isinstance(self.space, Relaxable):
            raise Fault(f"space '{self.space.name}' has no supernet")
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            supernet = self.space.supernet()
        supernet.to(self.accelerator)
        return supernet

    def loss(self, trial: Trial) -> float:
        """What to minimise; +inf for a failed or infeasible trial.

        It is the scalarisation's loss, or else the first objective's.
        """
        if trial.error is not None or trial.infeasible is not None:
            return math.inf
        if self.scalarisation is not None:
            return self.scalarisation.loss(self.objectives[0], trial.metrics)
        return self.objectives[0].loss(trial.metrics)

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """Every objective as something to minimise; +inf for a failed or infeasible trial."""
        if trial.error is not None or trial.infeasible is not None:
            return (math.inf,) * len(self.objectives)
        return tuple(objective.loss(trial.metrics) for objective in self.objectives)

    def violation(self, trial: Trial) -> float:
        """How far the trial breaks the constraints (Deb et al. 2002, section VI): 0 if it does not.

        The sum over constraints of the share by which each is exceeded; +inf for a failed trial.
        """
        if trial.error is not None:
            return math.inf
        if trial.infeasible is None:
            return 0.0
        return sum(constraint.excess(trial.metrics) for constraint in self.constraints)

    def rank(self, trial: Trial) -> tuple[float, float]:
        """Orders all trials, good and infeasible ones: the violation first, then the loss."""
        return self.violation(trial), self.loss(trial)

    def broken(self, metrics: dict[str, float]) -> str | None:
        """The constraints that `metrics` break, in words; None if they keep all they speak of."""
        reasons = [reason for c in self.constraints if (reason := c.broken(metrics))]
        return "; ".join(reasons) or None
