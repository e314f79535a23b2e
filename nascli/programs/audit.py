"""Asks an estimator and a reference about the same networks, and says how far they agree."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nascli.analysis.verdict import Verdict
from nascli.core.budget import Budget
from nascli.core.estimator import Estimator
from nascli.core.failures import kinds
from nascli.core.fault import Fault, first_line
from nascli.core.genotype import Genotype
from nascli.core.listed import Listed
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.supernet import SharedWeights
from nascli.core.trial import Proposal, Trial
from nascli.programs import images, kernels, shared_weights, threads
from nascli.programs.kernels import Kernels
from nascli.programs.recording import Hire, looped
from nascli.programs.reporting import write_report
from nascli.report import agreement
from nascli.report import audit as words
from nascli.report.page import Content
from nascli.report.trials import table as trials_table
from nascli.runs.folder import Run

BASELINES = ("params", "macs")
FEWEST = 3  # networks that a correlation makes sense of


@dataclass(frozen=True)
class Asking:
    """Asks costs, estimator and reference about a network, whether or not one of them fails.

    The reference gets the whole recipe, the estimator the problem's share of it. `costs` is None if
    the estimator gives the baselines itself.
    """

    problem: Problem
    costs: Estimator | None
    estimator: Estimator
    reference: Estimator
    on_error: Callable[[int, Exception], None] = lambda _number, _error: None

    @cached_property
    def estimators(self) -> tuple[Estimator, ...]:
        """All that are asked, in that order."""
        return tuple(estimator for _, estimator, _ in self._asked)

    @property
    def _asked(self) -> list[tuple[str, Estimator, float]]:
        asked = [("estimator", self.estimator, self.problem.fidelity)]
        asked += [("reference", self.reference, 1.0)]
        return [("costs", self.costs, 1.0), *asked] if self.costs is not None else asked

    @property
    def baselines(self) -> tuple[str, ...]:
        """The metrics that are costs, known without any estimate."""
        costs = self.costs.metrics if self.costs else BASELINES
        return tuple(metric for metric in costs if metric != "flops")  # 2 x MACs rank alike

    @property
    def metrics(self) -> tuple[str, ...]:
        """All that is compared with the reference."""
        others = [m for m in self.estimator.metrics if m not in (*self.baselines, "flops")]
        return (*self.baselines, *others)

    def __call__(self, number: int, proposal: Proposal, known: Trial | None = None) -> Trial:
        """What all of them say, and how long each took."""
        del known  # every network is asked about anew
        metrics: dict[str, float] = {}
        errors = []
        for name, estimator, fidelity in self._asked:
            start = time.perf_counter()
            try:
                told = estimator.estimate(Proposal(proposal.genotype, fidelity))
            except Fault:
                raise
            except Exception as caught:  # one bad network must not end an audit
                self.on_error(number, caught)
                errors.append(f"{name}: {type(caught).__name__}: {first_line(caught)}")
                continue
            metrics |= {"reference": told["accuracy"]} if name == "reference" else dict(told)
            metrics[f"{name}_seconds"] = time.perf_counter() - start
        seconds = sum(value for name, value in metrics.items() if name.endswith("_seconds"))
        error = "; ".join(errors) or None
        return Trial(number, proposal.genotype, proposal.fidelity, metrics, seconds, error=error)

    def key(self, genotype: Genotype) -> Genotype | None:
        """None: every network is asked about, whatever others it is equivalent to."""
        del genotype
        return None

    def csv(self, trials: Sequence[Trial]) -> str:
        """A line a network: its choices as JSON, what was said of it, and the seconds."""
        seconds = [f"{name}_seconds" for name, _, _ in self._asked]
        columns = [*self.metrics, "reference", *seconds]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["genotype", *columns, "error"])
        for trial in trials:
            values = [trial.metrics.get(column, "") for column in columns]
            writer.writerow([json.dumps(trial.genotype.choices), *values, trial.error or ""])
        return text.getvalue()


@dataclass(frozen=True)
class Parts:
    """All that an audit is made of.

    `names` are those of estimator and reference. `shared` is what the estimator scores with, and
    `supernet` the run folder that its weights are in; None if it shares no weights. `settings` is
    the config as plain data, for the report, `notice` what its readers must know, and `idle` the
    groups of the config that play no part.
    """

    asking: Asking
    genotypes: Sequence[Genotype]
    workers: Hire
    names: tuple[str, str]
    shared: SharedWeights | None
    supernet: Path | None
    resamples: int
    threads: int | None
    kernels: Kernels
    settings: Mapping[str, Any]
    notice: str | None = None
    idle: tuple[str, ...] = ()

    @property
    def problem(self) -> Problem:
        """What the estimator is asked about."""
        return self.asking.problem


@dataclass(frozen=True)
class Outcome:
    """What came out: the report, and how far metrics can be trusted."""

    report: Mapping[str, Any]
    verdict: Verdict
    networks: int


def audit(run: Run, parts: Parts) -> Outcome:
    """Audits, or goes on with the audit that is in the folder.

    Raises:
        Fault: too little came of it, or the folder is of another audit.
    """
    if parts.notice:
        parts.problem.listener.warn(f"warning: {parts.notice}")
    with (
        threads.computing_with(parts.threads, parts.problem),
        kernels.computing_with(parts.kernels, run, parts.problem, parts.shared),
    ):
        if parts.shared is not None and parts.supernet is not None:
            warn = parts.problem.listener.warn
            warn(shared_weights.load(parts.shared, parts.supernet))
            images.same(parts.supernet, parts.problem)
        return _concluded(run, parts, _trials(run, parts))


def _trials(run: Run, parts: Parts) -> list[Trial]:
    """One trial a network, in the order of the networks."""
    asking, genotypes = parts.asking, parts.genotypes
    recorded = run.history()
    if any(t.genotype != g for t, g in ((t, _at(genotypes, t.number)) for t in recorded)):
        raise Fault(f"the history in '{run.path}' is not of this audit; start a new one")
    with closing(parts.workers(asking, run.place)) as workers:
        strategy = Listed(parts.problem, genotypes)
        loop = Search(strategy, asking, workers, Budget(), what="networks")
        try:
            looped(run, loop, budgeted=False)
        finally:
            trials = sorted(loop.history, key=lambda trial: trial.number)
            run.write("audit.csv", asking.csv(trials))
    return trials


def _at(genotypes: Sequence[Genotype], number: int) -> Genotype | None:
    return genotypes[number] if number < len(genotypes) else None


def _concluded(run: Run, parts: Parts, trials: Sequence[Trial]) -> Outcome:
    """Writes report and figures."""
    asking, problem = parts.asking, parts.problem
    known = [trial for trial in trials if math.isfinite(trial.metrics.get("reference", math.nan))]
    if len(known) < FEWEST:
        raise Fault(f"only {len(known)} networks have a reference; it takes {FEWEST} or more")
    verdict = Verdict.of(
        known,
        asking.metrics,
        asking.baselines,
        objective=problem.goal.objectives[0],
        seed=problem.seed,
        resamples=parts.resamples,
    )
    report = words.summary(verdict) | {
        "verb": "audit",
        "title": f"audit · {parts.names[0]} against {parts.names[1]} · {problem.space.name}",
        "seconds": round(sum(trial.seconds for trial in trials), 3),
        "networks": {
            "asked": len(trials),
            "without_reference": len(trials) - len(known),
            "without_estimate": verdict.failed,
        },
        "reference": asking.reference.meaning,
        "failures": kinds(trials),
    }
    if parts.notice:
        report["notice"] = parts.notice
    drawn = agreement.audit(verdict.estimates, verdict.reference, verdict.kendall)
    table = trials_table(trials, ["reference", *verdict.estimates])
    write_report(run, Content(report, drawn, config=parts.settings, idle=parts.idle, trials=table))
    return Outcome(report, verdict, len(known))
