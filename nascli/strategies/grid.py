"""Exhaustive search: every genotype of the space in its own order, made as it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import at, size
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial


class Grid:
    """Proposes genotype 0, 1, 2, ... and ends after the last."""

    traits = Traits(several_objectives=True)

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._next = 0

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next genotypes; none when the space is exhausted."""
        space = self._problem.space
        numbers = range(self._next, min(self._next + limit, size(space)))
        self._next = max(self._next, numbers.stop)
        return [Proposal(at(space, number), self._problem.fidelity) for number in numbers]

    def tell(self, trials: Sequence[Trial]) -> None:
        """A grid does not learn."""

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """How far it has come."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after `state`."""
        self._next = int(state["next"])
