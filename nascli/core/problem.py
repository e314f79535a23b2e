"""The problem: everything that a strategy or an estimator may know."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.budget import Budget
from nascli.core.device import Latencies
from nascli.core.fault import Fault
from nascli.core.goal import Goal
from nascli.core.listener import SILENT, Listener
from nascli.core.space import SearchSpace
from nascli.core.task import Task

if TYPE_CHECKING:
    from nascli.core.device import Device


_MOVED = {
    **{
        name: f"problem.goal.{name}"
        for name in (
            *("loss", "losses", "violation", "rank", "broken"),
            *("objectives", "constraints", "scalarisation"),
        )
    },
    "progress": "problem.listener.progress",
    "warn": "problem.listener.warn",
    "supernet": "shared.supernet, with the trait weight_sharing",
    "relaxation": "shared.relaxation, with the trait weight_sharing",
    "readout": "the metrics of a Proposal",
    "effort": "a method effort() of the component's own",
}
"""What a problem had in earlier versions -> what to write today."""


@dataclass(frozen=True)
class Images:
    """A task that nobody trains on: images of a shape."""

    name: str
    input_shape: tuple[int, int, int]
    classes: int


@dataclass(frozen=True)
class Deployed:
    """Where networks end up: the space at their size, and the images that they are for.

    Genotypes are those of the space that is searched.
    """

    space: SearchSpace
    task: Task


class MovedError(Fault, AttributeError):
    """An attribute that is somewhere else today."""


@dataclass(frozen=True)
class Problem:
    """A space, a task and a device, and what counts as good on them.

    `recipe` is that of the `training` config group. `run_on` ("auto", "cpu" or "cuda") is where the
    search runs, `device` the hardware that the network is for (None: do not measure). `fidelity` is
    the share of the recipe that a full trial gets; `fidelities` are the only ones that the search's
    estimator tells apart, rising, or none if any share of the recipe is another. `listener` is told
    how far one long step is, and what the user ought to know. `budget` is that of the search: what
    trains calls `budget.check()` before every step, and can be gone on with from there. `latencies`
    are those of the space's layers, once they are measured
    (`nascli.costs.latency_table.measured`). `deployed` is the same space at the size that networks
    will be deployed in, with the images there, where that is not what is searched on. A problem
    that differs is made with `dataclasses.replace`.
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
    fidelities: tuple[float, ...] = ()
    budget: Budget = field(default_factory=Budget)
    latencies: Latencies = field(default_factory=Latencies, compare=False)
    deployed: Deployed | None = None

    def __getattr__(self, name: str) -> Any:
        """Raises an AttributeError; of what earlier versions had it says what to write today."""
        if name in _MOVED:
            raise MovedError(f"a problem has no {name} any more: write {_MOVED[name]}")
        raise AttributeError(f"'Problem' object has no attribute '{name}'")

    @property
    def as_deployed(self) -> Problem:
        """The problem whose networks constraints and costs speak of: as deployed, or as it is."""
        if self.deployed is None:
            return self
        return replace(self, space=self.deployed.space, task=self.deployed.task, deployed=None)

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
