"""The weights that strategy and estimators of one search share."""

from __future__ import annotations

from typing import Any

import torch

from nascli.core.estimator import Stateful
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import Relaxable
from nascli.core.supernet import Relaxation, Sampler, Supernet, Trainer


class Shared:
    """See `nascli.core.supernet.SharedWeights`.

    Args:
        problem: its space has a supernet; its seed decides the first weights.
        trainer: who trains them.
    """

    def __init__(self, problem: Problem, trainer: Trainer = "strategy") -> None:
        self.trainer = trainer
        self.relaxation: Relaxation | None = None
        self.sampler: Sampler | None = None
        self.training: Stateful | None = None
        self._problem = problem
        self._supernet: Supernet | None = None

    @property
    def supernet(self) -> Supernet:
        """The supernet as it now is, built on first use.

        Raises:
            Fault: the space has none.
        """
        if self._supernet is None:
            self._supernet = self._built()
        return self._supernet

    @supernet.setter
    def supernet(self, supernet: Supernet) -> None:
        self._supernet = supernet

    def _built(self) -> Supernet:
        space = self._problem.space
        if not isinstance(space, Relaxable):
            raise Fault(f"space '{space.name}' has no supernet")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._problem.seed)
            supernet = space.supernet()
        supernet.to(self._problem.accelerator)
        return supernet

    def _parts(self) -> dict[str, Stateful]:
        known = {
            "relaxation": self.relaxation,
            "sampler": self.sampler,
            "optimizer": self.training,
        }
        return {name: part for name, part in known.items() if part is not None}

    def state_dict(self) -> dict[str, Any]:
        """`supernet`, and what there is of `relaxation`, `sampler` and `optimizer`."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {"supernet": self.supernet.state_dict(), **parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave; other entries are left alone."""
        self.supernet.load_state_dict(state["supernet"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
