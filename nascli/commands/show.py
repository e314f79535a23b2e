"""`nas show`: genotypes as text and drawings with what they cost, and what became of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nascli import ui
from nascli.config import show as config
from nascli.config.compose import Asked
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.words import counted
from nascli.data.task import Task
from nascli.programs.networks import costs_of, layers_of, recall_latencies
from nascli.report import drawings, terminal
from nascli.report.cells import cells_of
from nascli.report.units import duration, readable, words
from nascli.runs import reading


def main(asked: Asked) -> None:
    """Prints to stdout; writes nothing but the drawings that are asked for.

    Raises:
        Fault: the input is wrong, or the drawings cannot be written.
    """
    data = config.data(asked)
    if data is not None:
        _data(asked, data)
        return
    shown = config.build(asked)
    problem, folder = shown.problem, shown.folder
    if folder is not None and folder.is_dir():
        recall_latencies(folder, problem)
    report = reading.report(folder) if folder else None
    drawn = [] if shown.svg is None else _draw(shown.svg, problem, shown.genotypes)
    if len(shown.genotypes) > 1:
        _side_by_side(problem, shown.genotypes, (report or {}).get("front", ()))
    for name, genotype in shown.genotypes.items():
        if len(shown.genotypes) > 1:
            ui.out(f"\n{name}")
        _network(problem, genotype)
    if report is not None:
        _run(report)
    for file in drawn:
        ui.out(f"drawn: {file}")


def _data(asked: Asked, task: Task) -> None:
    """Classes, odd images, and where the contact sheets are."""
    from nascli.programs.look import look, write  # torch is for images alone

    found, said = look(task)  # before there is a folder: a bad image leaves none
    run = config.looked_at(asked)
    with ui.logging_to(run):
        words = [word for word in asked.overrides if word.startswith("data")]
        write(run, task, found, asked.plain(), lambda verb, *_: asked.then(verb, *words))
        rows = [[name, *map(str, counts.values())] for name, counts in found.counts.items()]
        ui.table(f"{task.name}: images", ("class", "train", "valid", "test"), rows)
        for line in (*said[1:], *(found.odd or ["nothing odd was found"])):
            ui.say(line)
        ui.say(f"contact sheets: {run.path / 'report.html'}")
    ui.path(run.path)


def _network(problem: Problem, genotype: Genotype) -> None:
    """In words, its cells, its stages, and what it costs."""
    ui.out(problem.space.describe(genotype))
    for name, cell in cells_of(problem.space, genotype).items():
        ui.out(f"\n{words(name)}:")
        for line in terminal.graph(cell):
            ui.out(line)
    lines = terminal.stages(layers_of(problem, genotype))
    if lines:
        ui.out("\nshares of the whole (memory: of all results together):")
        for line in lines:
            ui.out(line)
    ui.out(f"\nas a network for {given(problem)}:")
    for name, value in costs_of(problem, genotype).items():
        exact = f" ({value:,.0f})" if value >= 1e6 else ""
        ui.out(f"  {words(name):<24} {readable(name, value)}{exact}")


def _side_by_side(
    problem: Problem, genotypes: Mapping[str, Genotype], front: Sequence[Mapping[str, Any]]
) -> None:
    """How good each is, as far as the run's `front` says, its costs, and where they differ."""
    found = {f"trial {row['trial']}": row for row in front}
    scores = [m for m in next(iter(found.values()), {}) if m.endswith("accuracy")]
    costs = {
        name: {m: found.get(name, {}).get(m, math.nan) for m in scores} | costs_of(problem, one)
        for name, one in genotypes.items()
    }
    metrics = [metric for metric in next(iter(costs.values())) if metric != "flops"]
    rows = [[name, *(readable(m, row[m]) for m in metrics)] for name, row in costs.items()]
    for line in terminal.aligned([["", *map(words, metrics)], *rows]):
        ui.out(line)
    chosen = [one.choices for one in genotypes.values()]
    apart = [d for d in chosen[0] if len({choices.get(d) for choices in chosen}) > 1]
    ui.out(f"they differ in {counted(len(apart), 'decision')}: {', '.join(apart)}")


def _draw(folder: Path, problem: Problem, genotypes: Mapping[str, Genotype]) -> list[Path]:
    """Writes every drawing as an SVG file, and says which."""
    files = []
    for name, genotype in genotypes.items():
        before = f"{name.replace(' ', '_')}_" if len(genotypes) > 1 else ""
        for drawn, svg in drawings.draw(problem.space, genotype).items():
            file = folder / f"{before}{drawn}.svg"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file.write_text(svg, encoding="utf-8")
            except OSError as error:
                raise Fault(f"cannot write '{file}': {error.strerror}") from error
            files.append(file)
    return files


def _run(report: Mapping[str, Any]) -> None:
    """The outcome of a run, from its report."""
    took = f", {duration(report['seconds'])}" if "seconds" in report else ""
    ui.out(f"{report['verb']}{took}:")
    trials = report.get("trials")
    if trials:
        kinds = ", ".join(f"{trials[kind]:,} {kind}" for kind in trials if kind != "all")
        ui.out(f"  {'trials':<24} {trials.get('all', '?')} ({kinds})")
    for name, value in {**report.get("result", {}), **report.get("final", {})}.items():
        said = value if isinstance(value, str) else readable(name, value)
        ui.out(f"  {words(name):<24} {said}")
    if report.get("front"):
        ui.out(f"  {'front':<24} {counted(len(report['front']), 'genotype')}; front=true shows all")
    for line in report.get("verdict", []):
        ui.out(f"  {line}")
    for line in _incumbents(report.get("incumbents", [])):
        ui.out(line)


def _incumbents(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How the best improved."""
    if not rows:
        return []
    shown = ("accuracy", "params", "latency_ms")
    lines = ["how the best improved:"]
    for row in rows[-10:]:
        values = [readable(name, row[name]) for name in shown if name in row]
        lines.append(f"  trial {row['trial']:<6} {', '.join(values)}")
    return lines
