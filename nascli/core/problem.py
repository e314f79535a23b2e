"""The problem: everything that a strategy or an estimator may know."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.device import Latencies
from nascli.core.goal import Goal
from nascli.core.listener import SILENT, Listener
from nascli.core.space import SearchSpace
from nascli.core.task import Task

if TYPE_CHECKING:
    from nascli.core.device import Device


@dataclass(frozen=True)
class Problem:
    """A space, a task and a device, and what counts as good on them.

    `recipe` is that of the `training` config group. `run_on` ("auto", "cpu" or "cuda") is where the
    search runs, `device` the hardware that the network is for (None: do not measure). `fidelity` is
    the share of the recipe that a full trial gets. `listener` is told how far one long step is, and
    what the user ought to know. `latencies` are those of the space's layers, once they are measured
    (`nascli.costs.latency_table.measured`). `dataclasses.replace` makes a problem that differs.
    """

    space: SearchSpace
    task: Task
    recipe: Any
    goal: Goal = field(default_factory=Goal)
    device: Device | None = None
    run_on: str = "cpu"
    seed: int = 0
    fidelity: float = 1.0
    listener: Listener = SILENT
    latencies: Latencies = field(default_factory=Latencies, compare=False)

    @property
    def training(self) -> Any:
        """The recipe, by the name that components of users know it by."""
        return self.recipe

    @cached_property
    def accelerator(self) -> str:
        """Either "cpu" or "cuda"; found out on first use, for a table search needs no torch."""
        if self.run_on != "auto":
            return self.run_on
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
