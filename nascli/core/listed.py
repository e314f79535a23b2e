"""The strategy that walks a list: for whatever has things to try and no search to make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial


class Listed:
    """Proposes the genotypes of a list in their order and ends after the last.

    `known` has what is known of each already, which travels with its proposal.
    """

    def __init__(
        self,
        problem: Problem,
        genotypes: Sequence[Genotype],
        known: Sequence[Mapping[str, float]] = (),
    ) -> None:
        self.traits = Traits(several_objectives=True, trials=len(genotypes))
        metrics = known or [{}] * len(genotypes)
        pairs = zip(genotypes, metrics, strict=True)
        self._proposals = [Proposal(one, problem.fidelity, told) for one, told in pairs]
        self._problem, self._next = problem, 0

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next ones."""
        start = self._next
        self._next = min(start + limit, len(self._proposals))
        return self._proposals[start : self._next]

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
