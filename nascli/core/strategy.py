"""Strategies propose and learn; everything else belongs to the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from nascli.core.genotype import Genotype
from nascli.core.trial import History, Proposal, Trial


class Strategy(Protocol):
    """Built as `Strategy(problem, **yaml)`; asked and told by the loop in turn.

    It may declare `traits` (see `nascli.core.traits`); with `weight_sharing` it is built as
    `Strategy(problem, shared, **yaml)`.
    """

    def ask(self, limit: int) -> Sequence[Proposal]:
        """At most `limit` proposals; none means that the strategy has finished.

        The loop asks for one at a time, and tells of a repeat before it asks for the next.
        """

    def tell(self, trials: Sequence[Trial]) -> None:
        """What became of earlier proposals, failures and infeasible ones included."""

    def recommend(self, history: History) -> Genotype | None:
        """The answer of the search; None if no trial was good."""

    def state_dict(self) -> dict[str, Any]:
        """All that `ask` and `tell` depend on: plain values and tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


@runtime_checkable
class MeasuresEffort(Protocol):
    """A strategy or an estimator that trains, and measures what that takes."""

    def effort(self) -> Mapping[str, float]:
        """Time, memory and energy of an epoch so far, the unit in each name; empty before any."""


@runtime_checkable
class Founded(Protocol):
    """A strategy whose first trials are random ones, for it has nothing to learn from yet."""

    @property
    def founders(self) -> tuple[str, int]:
        """The setting that says how many there are, and what it says."""


@runtime_checkable
class Traced(Protocol):
    """A strategy that remembers how its architecture weights moved."""

    def trajectory(self) -> Sequence[Mapping[str, Mapping[str, float]]]:
        """An entry an epoch: choice -> option -> its weight."""
