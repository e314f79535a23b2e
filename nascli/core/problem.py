"""The problem: everything that a strategy or an estimator may know."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.objective import Constraint, Objective
from nascli.core.space import Relaxable, SearchSpace
from nascli.core.task import Task
from nascli.core.trial import Trial

if TYPE_CHECKING:
    from nascli.core.device import Device
    from nascli.core.supernet import Relaxation, Supernet


@dataclass
class Problem:
    """A space, a task and a device, and what counts as good on them.

    `training` is the recipe of the `training` config group. `run_on` ("auto", "cpu" or "cuda") is
    where the search runs, `device` the hardware that the network is for (None: do not measure).
    `fidelity` is the share of the recipe that a full trial gets. `relaxation` is the one
    under which a gradient search is training the supernet. `progress(done, text)` says how far one
    long step is, `done` from 0 to 1.
    """

    space: SearchSpace
    task: Task
    training: Any
    objectives: tuple[Objective, ...] = (Objective("accuracy", "max"),)
    constraints: tuple[Constraint, ...] = ()
    device: Device | None = None
    run_on: str = "cpu"
    seed: int = 0
    fidelity: float = 1.0
    relaxation: Relaxation | None = None
    progress: Callable[[float, str], None] = lambda _done, _text: None

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
        """The objective as something to minimise; +inf for a failed or infeasible trial."""
        if trial.error is not None or trial.infeasible is not None:
            return math.inf
        return self.objectives[0].loss(trial.metrics)

    def broken(self, metrics: dict[str, float]) -> str | None:
        """The constraints that `metrics` break, in words; None if they keep all they speak of."""
        reasons = [reason for c in self.constraints if (reason := c.broken(metrics))]
        return "; ".join(reasons) or None
