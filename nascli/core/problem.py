"""The problem: everything that a strategy or an estimator may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.goal import Goal
from nascli.core.listener import SILENT, Listener
from nascli.core.space import Relaxable, SearchSpace
from nascli.core.task import Task

if TYPE_CHECKING:
    from nascli.core.device import Device
    from nascli.core.supernet import Relaxation, Supernet


@dataclass
class Problem:
    """A space, a task and a device, and what counts as good on them.

    `recipe` is that of the `training` config group. `run_on` ("auto", "cpu" or "cuda") is where the
    search runs, `device` the hardware that the network is for (None: do not measure). `fidelity` is
    the share of the recipe that a full trial gets. `relaxation` is the one under which a gradient
    search is training the supernet, and `readout` what else is to be said of the genotype that it
    proposes, as metrics; `effort` is what an epoch of it takes. `listener` is told how far one long
    step is, and what the user ought to know.
    """

    space: SearchSpace
    task: Task
    recipe: Any
    goal: Goal = field(default_factory=Goal)
    device: Device | None = None
    run_on: str = "cpu"
    seed: int = 0
    fidelity: float = 1.0
    relaxation: Relaxation | None = None
    readout: Mapping[str, float] = field(default_factory=dict)
    effort: Mapping[str, float] = field(default_factory=dict)
    listener: Listener = SILENT

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
