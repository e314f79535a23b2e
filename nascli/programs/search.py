"""Searches, and leaves the answer, a report and figures in the run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from typing import Any

from nascli import genotypes
from nascli.core.budget import Budget, OutOfTime
from nascli.core.device import Counting, Device, LooksUp, measures
from nascli.core.estimator import Estimator
from nascli.core.evaluation import Evaluation
from nascli.core.failures import kinds, words
from nascli.core.fault import Fault, Stopped
from nascli.core.genotype import Genotype
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.space import size
from nascli.core.strategy import MeasuresEffort, Strategy, Traced
from nascli.core.supernet import SharedWeights
from nascli.core.traits import traits_of
from nascli.core.trial import History
from nascli.core.words import command, counted
from nascli.costs.live import ignores_images
from nascli.programs import images, kernels, reporting, threads, trust
from nascli.programs.kernels import Kernels
from nascli.programs.latency import beside
from nascli.programs.networks import keep_latencies, layers_of
from nascli.programs.recording import Hire, kept_by, looped
from nascli.programs.reporting import Then, write_report
from nascli.programs.trust import Trust
from nascli.report import contents, latency_words, summary
from nascli.report.chart import Figures
from nascli.runs.folder import Run

FRONT = "front"


@dataclass(frozen=True)
class Parts:
    """All that a search is made of.

    `shared` are the weights that strategy and estimator share; None if neither has to do with any.
    `settings` is the config as plain data, for the report; `networks` says of which data and size
    the networks are whose costs the metrics are, and `notice` what readers must know besides.
    `then` gives the command line of another verb for what comes of this one. `measuring` is what
    the answer can be timed on (None: nothing here). With `trust` a few networks are trained alone
    in the end. `idle` are the groups of the config that play no part.
    """

    problem: Problem
    strategy: Strategy
    estimators: tuple[Estimator, ...]
    shared: SharedWeights | None
    workers: Hire
    budget: Budget
    threads: int | None
    kernels: Kernels
    settings: Mapping[str, Any]
    networks: str = ""
    notice: str | None = None
    then: Then = command
    measuring: Device | None = None
    trust: Trust | None = None
    idle: tuple[str, ...] = ()


def search(run: Run, parts: Parts) -> dict[str, Any]:
    """Searches, or goes on with the search that is in the folder; gives the report.

    Raises:
        Fault: no trial was good, or the search cannot go on (the report is written first), or the
            disk takes no more.
    """
    problem = parts.problem
    images.record(run, problem, tested=False)
    if measures(problem.device):
        keep_latencies(run, problem)
    elif isinstance(problem.device, LooksUp) and problem.device.notice:
        problem.listener.warn(f"warning: {problem.device.notice}")
    count = size(problem.space)
    if parts.notice:
        problem.listener.warn(f"warning: {parts.notice}")
    problem.listener.warn(
        f"searching {problem.space.name} ({counted(count, 'genotype')}) in {run.path}"
    )
    with (
        threads.computing_with(parts.threads, problem),
        kernels.computing_with(parts.kernels, run, problem, parts.shared),
    ):
        evaluation = Evaluation(problem, parts.estimators, kept_by(run))
        with closing(parts.workers(evaluation, run.place)) as workers:
            what = f"{traits_of(parts.strategy).unit}s"
            loop = Search(parts.strategy, evaluation, workers, parts.budget, what=what)
            ended: BaseException | None = None
            try:
                genotype = looped(run, loop)
            except (OutOfTime, Stopped) as early:
                ended, genotype = early, parts.strategy.recommend(loop.history)
        trusted = None
        if parts.trust is not None and ended is None and genotype is not None:
            try:
                trusted = trust.found(run, parts.trust, problem, parts.estimators[-1], loop.history)
            except OutOfTime as early:
                ended = early
        reason = str(ended) if isinstance(ended, Stopped) else loop.reason
        report = _concluded(run, parts, loop, genotype, reason, trusted)
        _say_why(run, parts, loop, genotype, ended)
        return report


def meanings(parts: Parts) -> list[str]:
    """What an accuracy is an accuracy of."""
    return [f"accuracy: {e.meaning}" for e in parts.estimators if e.meaning]


def _concluded(
    run: Run,
    parts: Parts,
    loop: Search,
    genotype: Genotype | None,
    reason: str,
    trusted: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Writes genotype.json, report.json, report.html, figures and the latency table."""
    problem, history = parts.problem, loop.history
    report = summary.search(
        history, problem, genotype, parts.budget.elapsed, _effort(parts),
        repeats=loop.repeats, ended=reason, networks=parts.networks,
    )  # fmt: skip
    if parts.notice:
        report["notice"] = parts.notice
    report["unit"] = traits_of(parts.strategy).unit
    report |= {} if trusted is None else {"trust": trusted}
    report["final"] = dict(_final(parts.estimators, genotype)) if genotype else {}
    _look_again(report, parts.estimators, genotype, history)
    if genotype is not None:
        run.write(genotypes.FILE, genotypes.dump(genotype))
        if len(problem.goal.objectives) > 1:
            for trial in history.front(problem.goal):
                run.write(f"{FRONT}/{trial.number}.json", genotypes.dump(trial.genotype))
        if {"peak_memory_mb", "latency_ms"} <= {m for e in parts.estimators for m in e.metrics}:
            told = report["costs"].get("latency_ms")
            report["latency"] = beside(problem, genotype, parts.measuring, told)
        if doubts := list(_doubts(problem, genotype, report)):
            report["warnings"] = doubts
        for doubt in doubts:
            problem.listener.warn(f"warning: {doubt}")
    layers = layers_of(problem.as_deployed, genotype) if genotype is not None else []
    content = contents.search(
        history, problem, report, genotype,
        figures={**_trajectory(parts), **contents.latencies(layers)}, layers=layers,
        config=parts.settings, idle=parts.idle,
        notes=meanings(parts), then=_next(run, parts) if genotype is not None else (),
    )  # fmt: skip
    write_report(run, content)
    return report


def _doubts(problem: Problem, genotype: Genotype, report: Mapping[str, Any]) -> Iterator[str]:
    """Why the answer may not be what was asked for."""
    if isinstance(problem.device, LooksUp) and (doubt := problem.device.doubt(genotype)):
        yield f"the answer's {doubt}"
    yield from latency_words.doubts(report)
    if ignores_images(problem.space, genotype):
        yield (
            "the answer ignores its images, for no path of operations leads to its output: it "
            "cannot be better than chance; raise the bounds, or take 'none' out of the operations"
        )


def _next(run: Run, parts: Parts) -> list[tuple[str, str]]:
    """What to do with the answer, and the command that does."""
    this, compared = f"genotype={run.path}", ("seeds=3", "baselines=[random]")
    return [
        ("train the network from scratch, and compare it with random ones of its size:",
         parts.then("retrain", this, *deployed(parts), *compared)),
        ("look at it in the terminal:", parts.then("show", this)),
        ("time its layers:", parts.then("profile", this)),
    ]  # fmt: skip


def deployed(parts: Parts) -> list[str]:
    """What a retraining is told so that it trains the network that costs are of.

    On a microcontroller also so that it says what the network takes of one.
    """
    words, device = reporting.deployed(parts.settings), parts.problem.device
    if isinstance(device, Counting):
        chip = parts.settings["device"].get("chip")
        words += [f"device={device.name}", *([f"device.chip={chip}"] if chip else [])]
    return words


def _trajectory(parts: Parts) -> Figures:
    """How architecture weights moved, where there are any."""
    strategy = parts.strategy
    return contents.weights(strategy.trajectory()) if isinstance(strategy, Traced) else {}


def _effort(parts: Parts) -> dict[str, float]:
    """What training shared weights took, whoever has trained them."""
    measuring = [p for p in (*parts.estimators, parts.strategy) if isinstance(p, MeasuresEffort)]
    return {name: value for part in measuring for name, value in part.effort().items()}


def _final(estimators: Sequence[Estimator], genotype: Genotype) -> Mapping[str, float]:
    """What an estimator kept for the final report, such as a table's test accuracy."""
    for estimator in estimators:
        final = traits_of(estimator).final
        if final is not None:
            return final(genotype)
    return {}


def _look_again(
    report: dict[str, Any],
    estimators: Sequence[Estimator],
    genotype: Genotype | None,
    history: History,
) -> None:
    """Adds the better look that an estimator has for the end, of the answer and of all fronts."""
    fronts = [report.get("front", ()), *report.get("fronts", {}).values()]
    for again in (traits_of(estimator).again for estimator in estimators):
        if again is None or genotype is None:
            continue
        report["final"] |= again(genotype)
        genotypes = {trial.number: trial.genotype for trial in history}
        known: dict[int, Mapping[str, float]] = {}
        for row in (row for rows in fronts for row in rows):
            number = row["trial"]
            if number not in known:
                known[number] = again(genotypes[number])
            row |= known[number]


def _say_why(
    run: Run, parts: Parts, loop: Search, genotype: Genotype | None, ended: BaseException | None
) -> None:
    """Says why a search ended before its end; raises a Fault if it has no answer, or may not go on.

    The history, what was trained and the report are on the disk.
    """
    if isinstance(ended, Stopped):
        found = f"what was found before stands in {run.path}" if genotype else "nothing was found"
        raise Fault(f"{ended}; {found}") from ended
    if ended is not None:
        numbers = [*map(str, loop.open)] or [str(loop.number)]
        named = f"trial{'s' * (len(numbers) > 1)} {', '.join(numbers)}"
        words = f"budget.seconds={parts.budget.seconds:g} is over in the middle of {named}"
        apart = traits_of(loop.workers).own_processes
        words += "; what ran in processes of their own begins anew" if apart else ""
        go_on = command("search", f"resume={run.path}", "budget.seconds=MORE")
        words += f"; go on with: {go_on}"
        if genotype is None:
            raise Fault(words)
        parts.problem.listener.warn(words)
    if genotype is None:
        raise Fault(_why_none(loop.history, parts))


def _why_none(history: History, parts: Parts) -> str:
    """Why a search has no answer, and what to do."""
    counts, unit = summary.counts(history), traits_of(parts.strategy).unit
    said = f"no genotype to recommend: of {counted(counts['all'], unit)} {counts['infeasible']:,} "
    said += f"broke a constraint and {counts['failed']:,} failed"
    if counts["failed"]:
        return f"{said}: {words(kinds(history))}"
    goal = parts.problem.goal
    nearest = min((t for t in history if t.infeasible), key=goal.violation, default=None)
    if nearest is None:
        return said
    broken = [c for c in goal.constraints if c.broken(nearest.metrics)]
    raised = " ".join(f"constraints.{c.metric}={_up(nearest.metrics[c.metric])}" for c in broken)
    said += f"; the nearest, {unit} {nearest.number}: {nearest.infeasible}; raise the bound "
    said += f"({raised}), or search longer"
    if traits_of(parts.strategy).weight_sharing:
        return f"{said}, or take strategy=evolution, which trains nothing that is above a bound"
    return said


def _up(value: float) -> str:
    """The next number of three digits that is not below it, as a command line takes it.

    >>> _up(3.1412), _up(123456.0), _up(25.0)
    ('3.15', '124000', '25')
    """
    return format(Context(prec=3, rounding=ROUND_CEILING).create_decimal(value), "f")
