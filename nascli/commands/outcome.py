"""What a search leaves behind: the answer, the report, and the words about them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli import genotypes, ui
from nascli.commands.build import Parts
from nascli.core.estimator import Estimator
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.strategy import MeasuresEffort
from nascli.core.traits import traits_of
from nascli.core.trial import History
from nascli.report import curves, drawings, figures, page, summary
from nascli.report.units import readable, words
from nascli.runs import reading
from nascli.runs.folder import REPORT, Run

FRONT = "front"
_SHOWN = 20  # rows of a front on the screen


def conclude(
    run: Run, parts: Parts, config: DictConfig, history: History, genotype: Genotype | None
) -> None:
    """Writes genotype.json, report.json, report.html, figures and the latency table; says it all.

    Raises:
        Fault: no trial was good, which the report says first.
    """
    problem = parts.problem
    report = summary.search(history, problem, genotype, parts.budget.elapsed, _effort(parts))
    report["final"] = dict(_final(parts.estimators, genotype)) if genotype else {}
    if genotype is not None:
        run.write(genotypes.FILE, genotypes.dump(genotype))
        if len(problem.goal.objectives) > 1:
            for trial in history.front(problem.goal):
                run.write(f"{FRONT}/{trial.number}.json", genotypes.dump(trial.genotype))
        if "peak_memory_mb" in {m for e in parts.estimators for m in e.metrics}:
            _write_latency_table(run, problem)
    drawn = drawings.draw(problem.space, genotype) if genotype is not None else {}
    drawn |= figures.search(history, problem) | curves.readout(history)
    write_report(run, report, drawn, config)
    if genotype is None:
        raise Fault(_why_none(history))
    if "front" in report:
        _say_front(run, report, [objective.metric for objective in problem.goal.objectives])
    _say(run, report, problem.space.describe(genotype), [e.meaning for e in parts.estimators])


def write_report(
    run: Run, report: Mapping[str, Any], drawn: Mapping[str, str], config: DictConfig
) -> None:
    """Writes report.json, report.html and figures/*.svg."""
    run.write_json(REPORT, report)
    for name, figure in drawn.items():
        run.write(f"figures/{name}.svg", figure)
    environment = reading.environment(run.path)
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    whole = {**report, "config": plain, "environment": environment}
    run.write("report.html", page.page(whole, drawn))


def _effort(parts: Parts) -> dict[str, float]:
    """What training shared weights took, whoever has trained them."""
    measuring = [p for p in (*parts.estimators, parts.strategy) if isinstance(p, MeasuresEffort)]
    return {name: value for part in measuring for name, value in part.effort().items()}


def _write_latency_table(run: Run, problem: Problem) -> None:
    """Times the space's layers, where the search has measured its networks too."""
    if problem.device is not None:
        from nascli.commands.costs import TABLE, latency_table

        run.write(TABLE, latency_table(problem).to_csv())


def _final(estimators: Sequence[Estimator], genotype: Genotype) -> Mapping[str, float]:
    """What an estimator kept for the final report, such as a table's test accuracy."""
    for estimator in estimators:
        final = traits_of(estimator).final
        if final is not None:
            return final(genotype)
    return {}


def _why_none(history: History) -> str:
    """Why a search has no answer."""
    counts = summary.counts(history)
    words = f"no genotype to recommend: of {counts['all']} trials {counts['infeasible']} broke a "
    words += f"constraint and {counts['failed']} failed"
    last = next((t for t in reversed(history) if t.infeasible or t.error), None)
    return f"{words}; the last one: {last.infeasible or last.error}" if last else words


def _say_front(run: Run, report: Mapping[str, Any], metrics: Sequence[str]) -> None:
    """The front as a table, and how to take one of its genotypes."""
    rows = report["front"]
    shown = rows if len(rows) <= _SHOWN else rows[:: math.ceil(len(rows) / _SHOWN)]
    lines = [[str(row["trial"]), *(readable(m, row[m]) for m in metrics)] for row in shown]
    title = f"front: {len(rows)} genotypes that no other one beats in all objectives"
    ui.table(title, ["trial", *map(words, metrics)], lines)
    ui.say(f"each is a genotype of its own: nas retrain genotype={run.path / FRONT}/TRIAL.json")
    ui.say(f"hypervolume {report['hypervolume']:.4f}; best in {words(metrics[0])}:")


def _say(run: Run, report: Mapping[str, Any], description: str, meanings: Sequence[str]) -> None:
    """The answer, what it costs and what to do next."""
    ui.say(description)
    values = {**report["result"], **report["costs"], **report["final"], **report["effort"]}
    ui.table("", ("", ""), [[words(name), readable(name, v)] for name, v in values.items()])
    for meaning in filter(None, meanings):
        ui.say(f"accuracy: {meaning}")
    ui.say(f"report: {run.path / 'report.html'}")
    ui.say(f"next:   nas retrain genotype={run.path}")
