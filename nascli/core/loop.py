"""The one loop: the strategy proposes, workers estimate, the strategy learns, all of it is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from nascli.core.budget import Budget
from nascli.core.estimator import Estimator
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.strategy import Strategy
from nascli.core.trial import History, Proposal, Trial
from nascli.core.workers import Workers

_FAILURES_IN_A_ROW = 10
_MOMENT = 1e-3  # seconds that are not worth a line of arithmetic, twenty thousand times a second


@dataclass(frozen=True)
class Evaluation:
    """Runs the chain of estimators on one proposal: those of costs first, the dear one last."""

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
                infeasible = self.problem.broken(metrics)
                if infeasible:
                    break
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
        last = self.estimators[-1]
        if not last.repeatable:
            return None
        return genotype if last.by_genotype else self.problem.space.canonical(genotype)

    def _lacking(self, metrics: dict[str, float]) -> str | None:
        """Why the objectives cannot be computed from `metrics`; None if they can."""
        for objective in self.problem.objectives:
            if not math.isfinite(metrics.get(objective.metric, math.nan)):
                return f"{objective.metric} is {metrics.get(objective.metric, 'missing')}"
        return None


@dataclass
class Search:
    """One search under way.

    A genotype that is known at the same fidelity, or one that `canonical` shows to be equivalent,
    is not estimated again. `recorded` are trials of an interrupted search that `history` does not
    yet hold: they are given back instead of being estimated again, so that a resumed search takes
    the same steps.
    """

    strategy: Strategy
    evaluation: Evaluation
    workers: Workers
    budget: Budget
    history: History = field(default_factory=History)
    recorded: dict[int, Trial] = field(default_factory=dict)
    _known: dict[tuple[Genotype | None, float], Trial] = field(default_factory=dict)
    _asked: dict[int, float] = field(default_factory=dict)
    _failures: int = 0

    def restore(self, trials: Iterable[Trial]) -> None:
        """Takes trials that the strategy has already been told of."""
        for trial in trials:
            self._book(trial)

    def run(self, ended: Callable[[Trial], None]) -> Genotype | None:
        """Searches until the budget or the strategy ends; calls `ended` for every trial.

        Raises:
            Fault: too many trials failed in a row, or `recorded` does not follow from this search.
        """
        number = len(self.history)
        while True:
            under_way = self.workers.busy
            room = min(self.workers.capacity - under_way, self.budget.left(under_way))
            start = time.perf_counter()
            proposals = self.strategy.ask(room) if room > 0 else ()
            asked = (time.perf_counter() - start) / max(1, len(proposals))
            if not proposals and not under_way:
                return self.strategy.recommend(self.history)
            trials = []
            for proposal in proposals:
                trial = self._answered(number, proposal)
                if trial is None:
                    self.workers.submit(number, proposal)
                    self._asked[number] = asked
                else:
                    trials.append(trial)
                number += 1
            trials = trials or [self._timed(trial) for trial in self.workers.wait()]
            self.strategy.tell(trials)
            for trial in trials:
                self._book(trial)
                ended(trial)

    def _timed(self, trial: Trial) -> Trial:
        """The trial with the time of its proposal added: a gradient search trains in `ask`."""
        asked = self._asked.pop(trial.number)
        return replace(trial, seconds=trial.seconds + asked) if asked > _MOMENT else trial

    def _answered(self, number: int, proposal: Proposal) -> Trial | None:
        """The trial of `proposal` if it needs no worker."""
        recorded = self.recorded.pop(number, None)
        if recorded is not None:
            if recorded.genotype != proposal.genotype:
                raise Fault(
                    f"the history does not follow from this config: trial {number} is "
                    f"{recorded.genotype}, but the strategy proposes {proposal.genotype}; "
                    "start a new run instead of resuming this one"
                )
            return recorded
        known = self._known.get((self.evaluation.key(proposal.genotype), proposal.fidelity))
        if known is None or known.error is not None:
            return known and replace(known, number=number, genotype=proposal.genotype, seconds=0.0)
        return self.evaluation(number, proposal, known)

    def _book(self, trial: Trial) -> None:
        """Adds a trial to the history and charges it to the budget."""
        key = self.evaluation.key(trial.genotype)
        first = trial
        if key is not None and trial.infeasible is None:
            first = self._known.setdefault((key, trial.fidelity), trial)
        self.history.append(trial)
        self.budget.charge(free=first is not trial or trial.infeasible is not None)
        self._failures = self._failures + 1 if trial.error else 0
        if self._failures >= _FAILURES_IN_A_ROW:
            raise Fault(
                f"{self._failures} trials in a row failed, the last one with: {trial.error} "
                "(log.txt in the run folder has the traceback)"
            )
