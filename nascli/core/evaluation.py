"""One proposal through the chain of estimators: the cheap ones first, the expensive last."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from nascli.core.estimator import Estimator, Together
from nascli.core.fault import Fault, first_line
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.traits import Traits, traits_of
from nascli.core.trial import Proposal, Trial


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


@runtime_checkable
class Several(Protocol):
    """An evaluation that is worth doing for several proposals at once."""

    @property
    def at_once(self) -> int:
        """For how many."""

    def together(self, asked: Sequence[tuple[int, Proposal]]) -> list[Trial]:
        """Their trials."""


@dataclass(frozen=True)
class Evaluation:
    """Runs the chain of estimators on one proposal: those of costs first, the expensive last."""

    problem: Problem
    estimators: Sequence[Estimator]
    on_error: Callable[[int, Exception], None] = lambda _number, _error: None

    def __call__(
        self,
        number: int,
        proposal: Proposal,
        known: Trial | None = None,
        costs: Mapping[str, float] | None = None,
    ) -> Trial:
        """The trial: its metrics, or why it is infeasible, or how it failed.

        `known` is an earlier trial of the same function. It stands in for the last estimator; what
        the network costs is looked at anew, for equivalent networks need not cost the same.
        `costs` is what all but the last estimator have said of this proposal; None: not asked yet.
        """
        start = time.perf_counter()
        metrics: dict[str, float] = dict(costs or {})
        infeasible = self.problem.goal.broken(metrics) if costs else None
        error = None
        rest = self.estimators[-1:] if costs else self.estimators
        try:
            for estimator in () if infeasible else rest:
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
            metrics.update(proposal.metrics)
            error = f"{type(caught).__name__}: {first_line(caught)}"
        seconds = time.perf_counter() - start
        return Trial(
            number, proposal.genotype, proposal.fidelity, metrics, seconds, infeasible, error
        )

    @property
    def at_once(self) -> int:
        """How many proposals are best evaluated together."""
        return self._traits.at_once

    def together(self, asked: Sequence[tuple[int, Proposal]]) -> list[Trial]:
        """The trials of several proposals; the last estimator is asked about all at once.

        If that fails each is asked about alone, so that only what is at fault fails.
        """
        start, last = time.perf_counter(), self.estimators[-1]
        answers: dict[int, Trial] = {}
        costs = {number: self.costs(one) for number, one in asked}
        able = [(number, one) for number, one in asked if self._able(costs[number])]
        if isinstance(last, Together) and len(able) > 1:
            try:
                found = last.estimate_all([proposal for _, proposal in able])
            except Fault:
                raise
            except Exception as caught:
                self.on_error(able[0][0], caught)
            else:
                for (number, one), metrics in zip(able, found, strict=True):
                    answers[number] = Trial(number, one.genotype, one.fidelity, metrics)
        share = (time.perf_counter() - start) / len(asked)
        trials = [
            self(number, proposal, answers.get(number), costs[number]) for number, proposal in asked
        ]
        return [replace(trial, seconds=trial.seconds + share) for trial in trials]

    def costs(self, proposal: Proposal) -> dict[str, float] | None:
        """What comes before the last estimator, up to a broken constraint; None where it fails."""
        metrics: dict[str, float] = {}
        try:
            for estimator in self.estimators[:-1]:
                metrics.update(estimator.estimate(proposal))
                if self.problem.goal.broken(metrics):
                    break
        except Exception:  # which says it once more when the trial is made
            return None
        return metrics

    def _able(self, costs: Mapping[str, float] | None) -> bool:
        """Whether nothing that comes before the last estimator ends the trial."""
        return costs is not None and not self.problem.goal.broken(costs)

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
