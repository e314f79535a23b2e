"""How far the order of scored networks is to be trusted: a few of them are trained alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from nascli.analysis.verdict import Verdict
from nascli.core.budget import Budget
from nascli.core.estimator import Estimator
from nascli.core.genotype import Genotype
from nascli.core.listed import Listed
from nascli.core.listener import Listener
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.trial import Trial
from nascli.core.words import counted
from nascli.estimators.costs import Costs
from nascli.programs.audit import FEWEST, Asking
from nascli.programs.recording import kept_by, looped
from nascli.report import audit as words
from nascli.runs.folder import Run
from nascli.workers.serial import Serial

FOLDER = "trust"
_RESAMPLES = 1000


@dataclass(frozen=True)
class Trust:
    """`networks` are trained by `reference`, an estimator of the whole recipe."""

    networks: int
    reference: Estimator


def found(
    run: Run, trust: Trust, problem: Problem, estimator: Estimator, history: Sequence[Trial]
) -> dict[str, Any] | None:
    """Kendall's tau between scores and trainings, beside that of costs, as an audit says it.

    The networks are taken evenly over all scored ones in the order of their multiply-adds. They
    stand in a folder of their own in the run's, where it goes on if it has been stopped. None where
    too few networks have been scored or can be trained.

    Raises:
        OutOfTime: the budget's time is over in the middle of a training.
    """
    chosen = spread(history, trust.networks)
    if len(chosen) < FEWEST:
        return None
    asked = replace(problem, listener=_Apart(problem.listener, len(chosen)), fidelity=1.0)
    costs = Costs(replace(asked, device=None))
    asking = Asking(asked, costs, estimator, trust.reference, kept_by(run))
    (run.place / FOLDER).mkdir(exist_ok=True)
    problem.listener.warn(
        f"training {counted(len(chosen), 'network')} alone, to say how far the order is to be "
        f"trusted, in {run.path / FOLDER}"
    )
    with closing(Run(run.place / FOLDER)) as apart, closing(Serial(lambda: asking)) as workers:
        loop = Search(Listed(asked, chosen), asking, workers, Budget(), what="networks")
        looped(apart, loop, budgeted=False)
    known = [trial for trial in loop.history if "reference" in trial.metrics]
    if len(known) < FEWEST:
        problem.listener.warn(f"only {counted(len(known), 'network')} could be trained alone")
        return None
    verdict = Verdict.of(
        known,
        asking.metrics,
        asking.baselines,
        objective=problem.goal.objectives[0],
        seed=problem.seed,
        resamples=_RESAMPLES,
    )
    line = words.order(verdict)
    return {"networks": len(known), **words.summary(verdict), "description": line}


def spread(history: Sequence[Trial], count: int) -> list[Genotype]:
    """So many of the good trials' networks, evenly over the order of their multiply-adds."""
    by_cost: dict[Genotype, float] = {}
    for trial in history:
        if trial.error is None and trial.infeasible is None:
            by_cost.setdefault(trial.genotype, trial.metrics["macs"])
    ordered = sorted(by_cost, key=by_cost.__getitem__)
    if len(ordered) <= count:
        return ordered
    return [ordered[round(n * (len(ordered) - 1) / (count - 1))] for n in range(count)]


class _Apart:
    """Hands on how far a network is, but no trial: they are none of the search's."""

    def __init__(self, listener: Listener, count: int) -> None:
        self._listener, self._count, self._ended = listener, count, 0

    def progress(self, done: float, text: str) -> None:
        """Of all networks."""
        share = (self._ended + min(done, 1.0)) / self._count
        self._listener.progress(share, f"alone {self._ended + 1}/{self._count}: {text}")

    def warn(self, text: str) -> None:
        """As it is."""
        self._listener.warn(text)

    def trial(self, trial: Trial) -> None:
        """Counted."""
        del trial
        self._ended += 1
