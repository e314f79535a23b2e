"""`nas audit`: how far an estimator can be trusted, by its rank correlation with a reference."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from nascli import ui
from nascli.analysis.verdict import Verdict
from nascli.commands import build, settings, shared_weights
from nascli.commands.evaluation import keep_trace
from nascli.commands.outcome import write_report
from nascli.commands.resume import recorded_config, stoppable
from nascli.core.estimator import Estimator
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Problem
from nascli.core.space import at, size
from nascli.core.supernet import SharedWeights
from nascli.core.traits import traits_of
from nascli.core.trial import Proposal, Trial
from nascli.report import agreement
from nascli.report import audit as words
from nascli.runs.environment import initial_files
from nascli.runs.folder import Run

_BASELINES = ("params", "macs")
_FEWEST = 3  # networks that a correlation makes sense of
_FAILURES_IN_A_ROW = 10


@dataclass(frozen=True)
class Parts:
    """All that an audit is made of; `costs` is None if the estimator gives the baselines itself."""

    problem: Problem
    costs: Estimator | None
    estimator: Estimator
    reference: Estimator
    full: Problem
    genotypes: Sequence[Genotype]
    shared: SharedWeights | None = None

    @property
    def baselines(self) -> tuple[str, ...]:
        """The metrics that are costs, known without any estimate."""
        costs = self.costs.metrics if self.costs else _BASELINES
        return tuple(metric for metric in costs if metric != "flops")  # 2 x MACs rank alike

    @property
    def metrics(self) -> tuple[str, ...]:
        """All that is compared with the reference."""
        others = [m for m in self.estimator.metrics if m not in (*self.baselines, "flops")]
        return (*self.baselines, *others)


def check(config: DictConfig, listener: Listener = SILENT) -> Parts:
    """The parts of an audit.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = build.Faults()
    if config.supernet:
        shared_weights.adopt(config)
    problem = build.problem(config, faults, listener)
    faults.attempt(lambda: _check_numbers(config))
    if problem is not None:
        faults.attempt(lambda: shared_weights.check(config))
    faults.check()
    assert problem is not None
    full = replace(problem, fidelity=1.0)
    shared = shared_weights.new(problem, "nobody") if config.supernet else None
    estimator = faults.attempt(lambda: build.given(config, "estimator", problem, shared))
    reference = faults.attempt(lambda: build.component(config, "reference", full))
    faults.check()
    if estimator is None or reference is None:
        raise Fault("estimator and reference must both be given, e.g. reference=table")
    if "accuracy" not in reference.metrics:
        raise Fault(f"the reference gives no accuracy, only {', '.join(reference.metrics)}")
    costs = None if set(_BASELINES) <= set(estimator.metrics) else _costs(problem)
    genotypes = _drawn(config, problem, reference, estimator)
    return Parts(problem, costs, estimator, reference, full, genotypes, shared)


def main(config: DictConfig, choices: dict[str, str], overrides: Sequence[str]) -> None:
    """Audits, or goes on with the audit in `config.resume`; prints the folder's path.

    Raises:
        Fault: the input is wrong, or too little came of it.
        KeyboardInterrupt: the user has stopped it; every network that has ended is saved.
    """
    listener = ui.Heard()
    if config.resume:
        run = Run.open(Path(config.resume))
        config = recorded_config(run.path, config, overrides)
        parts = check(config, listener)
    else:
        shared_weights.check_overrides(config, overrides)
        parts = check(config, listener)
        choices = {**choices, "space": parts.problem.space.name}  # a supernet's run may decide it
        label = "_".join(choices[key] for key in ("estimator", "space") if key in choices)
        run = Run.claim(
            Path(config.outputs), "audit", label, initial_files(config, choices, overrides)
        )
    settings.set_threads(config, parts.problem)
    with ui.logging_to(run):
        if parts.shared is not None:
            shared_weights.load(parts.shared, Path(config.supernet))
        trials = _trials(run, parts, config, listener)
        _conclude(run, parts, config, trials)
    ui.path(run.path)


def _trials(run: Run, parts: Parts, config: DictConfig, listener: ui.Heard) -> list[Trial]:
    """One trial a network, each written down as soon as it has ended."""
    trials, total = run.history(), len(parts.genotypes)
    if [trial.genotype for trial in trials] != list(parts.genotypes[: len(trials)]):
        raise Fault(f"the history in '{run.path}' is not of this audit; start a new one")
    ui.say(f"auditing {total} networks of {parts.problem.space.name} in {run.path}")
    if trials:
        ui.say(f"resuming after {len(trials)} networks")
    try:
        with ui.Progress("network", total) as bar, stoppable("audit", run.path):

            def step(done: float, text: str) -> None:
                bar.update(len(trials) + min(done, 0.99), text)

            listener.step = step
            for number in range(len(trials), total):
                trials.append(_trial(parts, number, config.fidelity))
                run.append(trials[-1])
                failed = [trial.error for trial in trials if trial.error]
                bar.update(len(trials), f"{len(failed)} failed" if failed else "")
                _check_failures(trials)
    finally:
        run.write("audit.csv", _csv(parts, trials))
    return trials


def _trial(parts: Parts, number: int, fidelity: float) -> Trial:
    """What costs, estimator and reference say of one network, and how long each took."""
    genotype = parts.genotypes[number]
    asked = {"estimator": (parts.estimator, fidelity), "reference": (parts.reference, 1.0)}
    if parts.costs is not None:
        asked = {"costs": (parts.costs, 1.0), **asked}
    metrics: dict[str, float] = {}
    errors = []
    for name, (estimator, share) in asked.items():
        start = time.perf_counter()
        try:
            told = estimator.estimate(Proposal(genotype, share))
        except Fault:
            raise
        except Exception as error:  # one bad network must not end an audit
            keep_trace(number, error)
            errors.append(f"{name}: {type(error).__name__}: {error}")
            continue
        metrics |= {"reference": told["accuracy"]} if name == "reference" else dict(told)
        metrics[f"{name}_seconds"] = time.perf_counter() - start
    seconds = sum(value for name, value in metrics.items() if name.endswith("_seconds"))
    return Trial(number, genotype, fidelity, metrics, seconds, error="; ".join(errors) or None)


def _check_failures(trials: Sequence[Trial]) -> None:
    last = trials[-_FAILURES_IN_A_ROW:]
    if len(last) == _FAILURES_IN_A_ROW and all(trial.error for trial in last):
        raise Fault(
            f"{_FAILURES_IN_A_ROW} networks in a row failed, the last one with: {last[-1].error} "
            "(log.txt in the run folder has the traceback)"
        )


def _conclude(run: Run, parts: Parts, config: DictConfig, trials: Sequence[Trial]) -> None:
    """Writes report and figures, and says what came out."""
    known = [trial for trial in trials if math.isfinite(trial.metrics.get("reference", math.nan))]
    if len(known) < _FEWEST:
        raise Fault(f"only {len(known)} networks have a reference; it takes {_FEWEST} or more")
    verdict = Verdict.of(
        known,
        parts.metrics,
        parts.baselines,
        objective=parts.problem.goal.objectives[0],
        seed=config.seed,
        resamples=config.resamples,
    )
    report = words.summary(verdict) | {
        "verb": "audit",
        "title": _title(config, parts.problem),
        "seconds": round(sum(trial.seconds for trial in trials), 3),
        "networks": {
            "asked": len(trials),
            "without_reference": len(trials) - len(known),
            "without_estimate": verdict.failed,
        },
        "reference": parts.reference.meaning,
    }
    drawn = agreement.audit(verdict.estimates, verdict.reference, verdict.kendall)
    write_report(run, report, drawn, config)
    ui.table(f"{report['title']} · {len(known)} networks", *words.table(verdict))
    for line in words.lines(verdict):
        ui.say(line)
    ui.say(f"report: {run.path / 'report.html'}")


def _title(config: DictConfig, problem: Problem) -> str:
    """Components are called what their modules are called."""
    names = [config[key]._target_.split(".")[-2] for key in ("estimator", "reference")]
    return f"audit · {names[0]} against {names[1]} · {problem.space.name}"


def _csv(parts: Parts, trials: Sequence[Trial]) -> str:
    """A line a network: its choices as JSON, what was said of it, and the seconds."""
    seconds = [f"{name}_seconds" for name in ("costs", "estimator", "reference")]
    columns = [*parts.metrics, "reference", *(seconds if parts.costs else seconds[1:])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["genotype", *columns, "error"])
    for trial in trials:
        values = [trial.metrics.get(column, "") for column in columns]
        writer.writerow([json.dumps(trial.genotype.choices), *values, trial.error or ""])
    return text.getvalue()


def _costs(problem: Problem) -> Estimator:
    from nascli.estimators.costs import Costs

    return Costs(problem)


def _drawn(
    config: DictConfig, problem: Problem, reference: Estimator, estimator: Estimator
) -> list[Genotype]:
    """The genotypes to ask about; random ones follow from the seed.

    What the estimator has learnt from is left out: it knows those answers already.
    """
    space = problem.space
    learnt = {space.canonical(genotype) for genotype in traits_of(estimator).learnt}
    answers = traits_of(reference).genotypes
    listed = answers() if answers is not None else None  # a CSV need not know them all
    there = size(space) if listed is None else len(listed)

    def genotype(number: int) -> Genotype | None:
        found: Genotype = at(space, number) if listed is None else listed[number]
        return None if learnt and space.canonical(found) in learnt else found

    if config.genotypes == "all":
        return [found for number in range(there) if (found := genotype(number))]
    rng, tried, drawn = random.Random(f"{problem.seed}/audit"), set[int](), list[Genotype]()
    while len(drawn) < config.networks and len(tried) < there:
        number = rng.randrange(there)
        if number not in tried:
            tried.add(number)
            drawn += [found] if (found := genotype(number)) else []
    if len(drawn) < config.networks:
        raise Fault(
            f"networks is {config.networks}; there are only {len(drawn)}: take genotypes=all"
        )
    return drawn


def _check_numbers(config: DictConfig) -> None:
    """Raises a Fault for a number that makes no sense."""
    if config.genotypes not in ("random", "all"):
        raise Fault(f"genotypes is {config.genotypes!r}; it must be random or all")
    for key, least in (("networks", _FEWEST), ("resamples", 1)):
        if config[key] < least:
            raise Fault(f"{key} is {config[key]}; it must be at least {least}")
