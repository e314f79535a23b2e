"""The strategy that walks a list: for whatever has things to try and no search to make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial


class Listed:
    """Proposes the genotypes of a list in their order and ends after the last."""

    def __init__(self, problem: Problem, genotypes: Sequence[Genotype]) -> None:
        self.traits = Traits(several_objectives=True, trials=len(genotypes))
        self._problem, self._genotypes = problem, genotypes
        self._next = 0

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next ones."""
        start = self._next
        self._next = min(start + limit, len(self._genotypes))
        fidelity = self._problem.fidelity
        return [Proposal(genotype, fidelity) for genotype in self._genotypes[start : self._next]]

    def tell(self, trials: Sequence[Trial]) -> None:
        """A list does not learn."""

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """How far it has come."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after `state`."""
        self._next = int(state["next"])
