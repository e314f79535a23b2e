"""The first trials of a search, timed for a forecast; the search itself begins anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from nascli.core.device import measures
from nascli.core.evaluation import Evaluation
from nascli.core.genotype import Genotype
from nascli.core.traits import traits_of
from nascli.core.trial import History, Proposal, Trial
from nascli.estimators.costs import Costs
from nascli.programs import trust
from nascli.programs.timing import Few, Steps, Timed, mean
from nascli.report import summary

if TYPE_CHECKING:
    from nascli.programs.search import Parts

_MEASURED = 8  # networks that are timed on a device
_AGAIN = 3  # networks that are looked at once more, the first to warm up; and so many are trained


@dataclass
class Tries:
    """Proposals of a search, what their trials are, and what all of that takes, per trial.

    Args:
        probe: a short one of the same search.
        heard: what `probe` reports to.
        few: its task.
    """

    probe: Parts
    heard: Steps
    few: Few
    trials: list[Trial] = field(default_factory=list)
    asked: list[Timed] = field(default_factory=list)
    told: list[Timed] = field(default_factory=list)

    def some(self, count: int) -> None:
        """So many proposals more, evaluated together; the strategy learns of them."""
        strategy, found = self.probe.strategy, list[Proposal]()
        for _ in range(count):
            self.asked.append(self.heard.timed(lambda: found.extend(strategy.ask(1))))
        if not found:
            return
        ended: list[Trial] = []

        def evaluate() -> None:
            ended.extend(self._evaluation.together(list(enumerate(found, len(self.trials)))))
            strategy.tell(ended)

        with self._scoring():
            steps, other = self.heard.timed(evaluate)
        self.told += [(steps / len(found), other / len(found))] * len(found)
        self.trials += ended

    @property
    def _evaluation(self) -> Evaluation:
        """What is measured on a device is left out, and timed apart."""
        problem, chain = self.probe.problem, self.probe.estimators
        if self._measures:
            chain = (Costs(replace(problem, device=None)), *chain[1:])
        return Evaluation(problem, chain)

    @property
    def _measures(self) -> bool:
        return measures(self.probe.problem.device) and isinstance(self.probe.estimators[0], Costs)

    @contextmanager
    def _scoring(self) -> Iterator[None]:
        """Paths are scored with statistics of all training images meanwhile."""
        self.few.scoring = self.probe.shared is not None
        try:
            yield
        finally:
            self.few.scoring = False

    @property
    def kept(self) -> float:
        """The share of trials that broke no constraint, and count."""
        return fmean(trial.infeasible is None for trial in self.trials) if self.trials else 1.0

    def measured(self) -> float:
        """Seconds of timing a network on the device."""
        if not self._measures:
            return 0.0
        first = [Proposal(trial.genotype) for trial in self.trials[:_MEASURED]]
        costs = self.probe.estimators[0]
        return mean([self.heard.timed(partial(costs.estimate, one)) for one in first])[1]

    def scored_again(self, images: int, few: int, valid: int) -> tuple[float, float]:
        """How many times longer a score on `images` takes than on `few`; seconds of one on `valid`.

        The first is right for paths that are scored together too: they share as much of both.
        """
        estimator = self.probe.estimators[-1]
        again = traits_of(estimator).again
        if again is None:
            return 1.0, 0.0
        chosen = self._good()[:_AGAIN]
        with self._scoring():
            brief = [self.heard.timed(partial(estimator.estimate, Proposal(g))) for g in chosen]
            whole = mean([self.heard.timed(partial(again, g)) for g in chosen])[1]
        short = mean(brief)[1]
        slope = (whole - short) / (valid - few) if valid > few else 0.0
        return (1 + slope * (images - few) / short if short else 1.0), whole

    def in_the_end(self, trials: float) -> float:
        """How many of so many trials are looked at again: the answer, and those of the fronts.

        Of independent points so many as the logarithm of their number are on a front.
        """
        report = summary.search(History(self.trials), self.probe.problem, None, 0.0, {})
        fronts = [report.get("front", ()), *report.get("fronts", {}).values()]
        known = {row["trial"] for rows in fronts for row in rows}
        return 1 + len(known) * math.log(max(trials, 2)) / math.log(max(len(self.trials), 2))

    def trained(self) -> Timed:
        """One of the networks that are trained alone in the end: steps, and all else."""
        assert self.probe.trust is not None
        chosen = trust.spread(self.trials, _AGAIN)
        train = self.probe.trust.reference.estimate
        first = chosen[:1]  # which pays for what is imported then
        return mean([self.heard.timed(partial(train, Proposal(g))) for g in (*first, *chosen)])

    def _good(self) -> list[Genotype]:
        good = (t for t in self.trials if t.infeasible is None and t.error is None)
        return [trial.genotype for trial in good]
