"""Trials: what was proposed, what came of it, and the record of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from nascli.core import plain
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype

if TYPE_CHECKING:
    from nascli.core.goal import Goal


@dataclass(frozen=True, slots=True)
class Proposal:
    """A genotype to try at `fidelity`, a share of the full training budget (0 < fidelity <= 1).

    `metrics` is what the strategy knows of it already; the trial gets them beside the estimators'.
    """

    genotype: Genotype
    fidelity: float = 1.0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """One proposal and what the estimators said of it.

    `infeasible` says which constraint it breaks, `error` why it failed; both None for a good one.
    `seconds` is what it took to propose and to estimate it; `asked` says how many proposals there
    were when the strategy was told of it, so that a resumed search can take the same turns.
    """

    number: int
    genotype: Genotype
    fidelity: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    infeasible: str | None = None
    error: str | None = None
    asked: int = 0

    def told(self, asked: int) -> Trial:
        """The trial as a strategy is told of it, after so many proposals.

        Of every trial there is; `dataclasses.replace` takes three times as long.
        """
        return Trial(
            self.number,
            self.genotype,
            self.fidelity,
            self.metrics,
            self.seconds,
            self.infeasible,
            self.error,
            asked,
        )

    def to_json(self) -> dict[str, object]:
        """A JSON object; `from_json` reads it back."""
        return {
            "number": self.number,
            "genotype": self.genotype.to_json(),
            "fidelity": self.fidelity,
            "metrics": dict(self.metrics),
            "seconds": round(self.seconds, 6),
            "asked": self.asked,
            "infeasible": self.infeasible,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, data: object) -> Trial:
        """Reads what `to_json` wrote.

        Raises:
            Fault: it is something else.
        """
        if not isinstance(data, dict):
            raise Fault(f"not a trial: {data!r:.120}")
        try:
            fidelity = data["fidelity"]
            if type(fidelity) not in (float, int) or not 0 < fidelity <= 1:
                raise Fault(f"fidelity is {fidelity!r:.80}; it must be above 0 and at most 1")
            return cls(
                number=plain.whole(data, "number"),
                genotype=Genotype.from_json(data["genotype"]),
                fidelity=fidelity,
                metrics=plain.numbers(data, "metrics"),
                seconds=plain.amount(data, "seconds"),
                asked=plain.whole(data, "asked") if "asked" in data else 0,
                infeasible=plain.text(data, "infeasible"),
                error=plain.text(data, "error"),
            )
        except KeyError as error:
            raise Fault(f"not a trial, for it has no {error}: {data!r:.120}") from error


@dataclass
class Open:
    """A proposal that no trial has answered yet; `asked` are the seconds it took to propose."""

    proposal: Proposal
    asked: float = 0.0

    def to_json(self) -> dict[str, object]:
        """A JSON object; `from_json` reads it back."""
        proposal = self.proposal
        genotype = proposal.genotype.to_json()
        return {
            "genotype": genotype,
            "fidelity": proposal.fidelity,
            "asked": self.asked,
            "metrics": dict(proposal.metrics),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Open:
        """Reads what `to_json` wrote.

        Raises:
            Fault: it is something else.
        """
        genotype = Genotype.from_json(data["genotype"])
        metrics = plain.numbers(data, "metrics") if "metrics" in data else {}
        proposal = Proposal(genotype, plain.amount(data, "fidelity"), metrics)
        return cls(proposal, plain.amount(data, "asked"))


class History(Sequence[Trial]):
    """All trials of a search in the order in which they ended; it only ever grows."""

    def __init__(self, trials: Sequence[Trial] = ()) -> None:
        self._trials = list(trials)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        return self._trials[index]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def append(self, trial: Trial) -> None:
        """Adds the next trial."""
        self._trials.append(trial)

    def best(self, goal: Goal) -> Trial | None:
        """The trial of least loss at the highest fidelity there is; None if none is good.

        Of equal ones the best in the further objectives, then the first.
        """
        return min(self.full(goal), key=lambda t: (goal.loss(t), *goal.losses(t)), default=None)

    def full(self, goal: Goal) -> list[Trial]:
        """The good trials at the highest fidelity that a good one has: those that compare."""
        good = [trial for trial in self._trials if goal.loss(trial) < math.inf]
        top = max((trial.fidelity for trial in good), default=0.0)
        return [trial for trial in good if trial.fidelity == top]

    def answer(self, goal: Goal) -> Genotype | None:
        """The best trial's genotype; None if none is good."""
        best = self.best(goal)
        return best.genotype if best else None

    def incumbents(self, goal: Goal) -> list[Trial]:
        """The trials that were, when they ended, the best so far at the highest fidelity."""
        least, found = math.inf, []
        for trial in self.full(goal):
            loss = goal.loss(trial)
            if loss < least:
                least = loss
                found.append(trial)
        return found

    def front(self, goal: Goal) -> list[Trial]:
        """The trials that no other one beats in all objectives, in the order of the first one."""
        from nascli.core.pareto import nondominated

        trials = self.full(goal)
        kept = nondominated([goal.losses(trial) for trial in trials])
        return sorted((trials[index] for index in kept), key=goal.losses)
