"""The one loop: the strategy proposes, workers estimate, the strategy learns, all of it is kept."""

from __future__ import annotations

import gc
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from nascli.core import plain
from nascli.core.budget import Budget
from nascli.core.estimator import Estimator
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.strategy import Strategy
from nascli.core.traits import Traits, traits_of
from nascli.core.trial import History, Proposal, Trial
from nascli.core.workers import Workers

_FAILURES_IN_A_ROW = 10
_SETTLED = 20_000  # trials
_MOST_AT_ONCE = 10_000  # proposals; no workers take more
_MOMENT = 1e-3  # seconds that are not worth a line of arithmetic, twenty thousand times a second


class Judging(Protocol):
    """What a search wants of an evaluation, such as `Evaluation`."""

    @property
    def problem(self) -> Problem:
        """What is searched for."""

    @property
    def estimators(self) -> Sequence[Estimator]:
        """Those that it asks, in their order."""

    def __call__(self, number: int, proposal: Proposal, known: Trial | None = None) -> Trial:
        """The trial; `known` is an earlier one of the same function."""

    def key(self, genotype: Genotype) -> Genotype | None:
        """What genotypes with the same answer share; None if an answer holds only once."""


@dataclass(frozen=True)
class Evaluation:
    """Runs the chain of estimators on one proposal: those of costs first, the expensive last."""

    problem: Problem
    estimators: Sequence[Estimator]
    on_error: Callable[[int, Exception], None] = lambda _number, _error: None

    def __call__(self, number: int, proposal: Proposal, known: Trial | None = None) -> Trial:
        """The trial: its metrics, or why it is infeasible, or how it failed.

        `known` is an earlier trial of the same function. It stands in for the last estimator; what
        the network costs is looked at anew, for equivalent networks need not cost the same.
        """
        start = time.perf_counter()
        metrics: dict[str, float] = {}
        infeasible = error = None
        try:
            for estimator in self.estimators:
                if known is not None and estimator is self.estimators[-1]:
                    metrics.update({name: known.metrics[name] for name in estimator.metrics})
                else:
                    metrics.update(estimator.estimate(proposal))
                infeasible = self.problem.goal.broken(metrics)
                if infeasible:
                    break
            metrics.update(proposal.metrics)
            error = self._lacking(metrics) if not infeasible else None
        except Fault:
            raise
        except Exception as caught:  # one bad network must not end a search
            self.on_error(number, caught)
            error = f"{type(caught).__name__}: {caught}"
        seconds = time.perf_counter() - start
        return Trial(
            number, proposal.genotype, proposal.fidelity, metrics, seconds, infeasible, error
        )

    def key(self, genotype: Genotype) -> Genotype | None:
        """What genotypes with the same answer share; None if an answer holds only once."""
        if not self._traits.repeatable:
            return None
        return genotype if self._traits.by_genotype else self.problem.space.canonical(genotype)

    @cached_property
    def _traits(self) -> Traits:
        """Those of the last estimator, which says how good a genotype is."""
        return traits_of(self.estimators[-1])

    def _lacking(self, metrics: dict[str, float]) -> str | None:
        """Why the objectives cannot be computed from `metrics`; None if they can."""
        for objective in self.problem.goal.objectives:
            if not math.isfinite(metrics.get(objective.metric, math.nan)):
                return f"{objective.metric} is {metrics.get(objective.metric, 'missing')}"
        return None


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
        return cls(
            Proposal(genotype, plain.amount(data, "fidelity"), metrics), plain.amount(data, "asked")
        )


@dataclass
class Search:
    """One search under way.

    A genotype that is known at the same fidelity, or one that `canonical` shows to be equivalent,
    is not estimated again. `recorded` are trials of an interrupted search that `history` does not
    yet hold, in the order in which they ended: they are given back in that order instead of being
    estimated again, so that a resumed search takes the same steps. `what` is what messages call its
    trials.
    """

    strategy: Strategy
    evaluation: Judging
    workers: Workers
    budget: Budget
    history: History = field(default_factory=History)
    recorded: dict[int, Trial] = field(default_factory=dict)
    open: dict[int, Open] = field(default_factory=dict)
    number: int = 0
    what: str = "trials"
    _ready: deque[Trial] = field(default_factory=deque)
    _known: dict[tuple[Genotype | None, float], Trial] = field(default_factory=dict)
    _failures: int = 0

    def restore(self, trials: Iterable[Trial], waiting: Mapping[int, Open], number: int) -> None:
        """Takes trials that the strategy was told of, and proposals that it waits for.

        `number` is that of the next proposal.
        """
        for trial in trials:
            self._book(trial)
        self.number = number
        for before, proposal in waiting.items():
            self._start(before, proposal)

    def run(self, ended: Callable[[Trial], None]) -> Genotype | None:
        """Searches until the budget or the strategy ends; calls `ended` for every trial.

        Between any two trials that the strategy is told of it is asked once, and every trial says
        how many proposals there were by then. So the history alone says what the strategy was asked
        and told, whatever the workers were doing.

        Raises:
            Fault: too many trials failed in a row, or `recorded` does not follow from this search.
        """
        while True:
            self._ask()
            trial = self._next()
            if trial is None:
                return self.strategy.recommend(self.history)
            trial = replace(trial, asked=self.number)
            self.strategy.tell([trial])
            self._book(trial)
            ended(trial)

    def _ask(self) -> None:
        """Fills the workers with proposals, or takes those that are on record."""
        room = self._room()
        if room <= 0:
            return
        start = time.perf_counter()
        proposals = self.strategy.ask(room)
        asked = (time.perf_counter() - start) / max(1, len(proposals))
        for proposal in proposals:
            self._start(self.number, Open(proposal, asked))
            self.number += 1

    def _room(self) -> int:
        """How many proposals to ask for."""
        if self.recorded:
            number, trial = next(iter(self.recorded.items()))
            room = (trial.asked or number + 1) - self.number
            if room > _MOST_AT_ONCE:
                raise Fault(
                    f"the history does not follow from this config: by trial {number}, "
                    f"{room:,} proposals are said to have been asked for at once"
                )
            return room
        under_way = len(self.open)
        worth = sum(self._share(waiting.proposal.fidelity) for waiting in self.open.values())
        return min(self.workers.capacity - under_way, self.budget.left(under_way, worth))

    def _share(self, fidelity: float) -> float:
        """What a trial takes of a full one."""
        return fidelity / self.evaluation.problem.fidelity

    def _start(self, number: int, waiting: Open) -> None:
        """Gives a proposal to a worker, if nothing else answers it."""
        self.open[number] = waiting
        if number in self.recorded:
            return
        trial = self._answered(number, waiting.proposal)
        if trial is None:
            self.workers.submit(number, waiting.proposal)
        else:
            self._ready.append(trial)

    def _next(self) -> Trial | None:
        """The next trial to tell of; None when nothing is under way."""
        trial = self._replayed() if self.recorded else None
        if trial is not None:
            return trial
        if not self.open:
            return None
        if not self._ready:
            self._ready.extend(map(self._timed, self.workers.wait()))
        trial = self._ready.popleft()
        del self.open[trial.number]
        return trial

    def _replayed(self) -> Trial | None:
        """The first recorded trial that has been asked for."""
        number = next((number for number in self.recorded if number in self.open), None)
        if number is None:
            return None
        recorded, proposal = self.recorded.pop(number), self.open.pop(number).proposal
        if (recorded.genotype, recorded.fidelity) != (proposal.genotype, proposal.fidelity):
            raise Fault(
                f"the history does not follow from this config: trial {number} is "
                f"{recorded.genotype} at fidelity {recorded.fidelity:g}, but the strategy proposes "
                f"{proposal.genotype} at {proposal.fidelity:g}; start a new run instead of "
                "resuming this one"
            )
        return recorded

    def _timed(self, trial: Trial) -> Trial:
        """The trial with the time of its proposal added: a gradient search trains in `ask`."""
        asked = self.open[trial.number].asked
        return replace(trial, seconds=trial.seconds + asked) if asked > _MOMENT else trial

    def _answered(self, number: int, proposal: Proposal) -> Trial | None:
        """The trial of `proposal` if it needs no worker."""
        known = self._known.get((self.evaluation.key(proposal.genotype), proposal.fidelity))
        if known is None:
            return None
        if known.error is not None or len(self.evaluation.estimators) == 1:
            same = known.genotype == proposal.genotype  # share it: a million of them take room
            genotype = known.genotype if same else proposal.genotype
            again = {**known.metrics, **proposal.metrics} if proposal.metrics else known.metrics
            return replace(known, number=number, genotype=genotype, metrics=again, seconds=0.0)
        return self.evaluation(number, proposal, known)

    def _book(self, trial: Trial) -> None:
        """Adds a trial to the history and charges it to the budget."""
        key = self.evaluation.key(trial.genotype)
        first = trial
        if key is not None and trial.infeasible is None:
            first = self._known.setdefault((key, trial.fidelity), trial)
        self.history.append(trial)
        if len(self.history) % _SETTLED == 0:  # a history stays: spare the collector its trials
            gc.collect()
            gc.freeze()
        free = first is not trial or trial.infeasible is not None
        self.budget.charge(0 if free else self._share(trial.fidelity))
        self._failures = self._failures + 1 if trial.error else 0
        if self._failures >= _FAILURES_IN_A_ROW:
            raise Fault(
                f"{self._failures} {self.what} in a row failed, the last one with: {trial.error} "
                "(log.txt in the run folder has the traceback)"
            )
