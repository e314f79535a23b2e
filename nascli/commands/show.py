"""`nas show`: a genotype in words with its costs, and what became of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli import ui
from nascli.config import show as config
from nascli.config.compose import Asked
from nascli.core.provenance import given
from nascli.programs.networks import costs_of
from nascli.report.units import duration, readable, words
from nascli.runs import reading


def main(asked: Asked) -> None:
    """Prints to stdout; writes nothing.

    Raises:
        Fault: the input is wrong.
    """
    problem, genotype, folder = config.build(asked)
    costs = costs_of(problem, genotype)
    ui.out(problem.space.describe(genotype))
    ui.out(f"as a network for {given(problem)}:")
    for name, value in costs.items():
        exact = f" ({value:,.0f})" if value >= 1e6 else ""
        ui.out(f"  {words(name):<24} {readable(name, value)}{exact}")
    report = reading.report(folder) if folder else None
    if report is not None:
        _run(report)


def _run(report: Mapping[str, Any]) -> None:
    """The outcome of a run, from its report."""
    took = f", {duration(report['seconds'])}" if "seconds" in report else ""
    ui.out(f"{report['verb']}{took}:")
    trials = report.get("trials")
    if trials:
        kinds = ", ".join(f"{trials[kind]} {kind}" for kind in trials if kind != "all")
        ui.out(f"  {'trials':<24} {trials.get('all', '?')} ({kinds})")
    for name, value in {**report.get("result", {}), **report.get("final", {})}.items():
        said = value if isinstance(value, str) else readable(name, value)
        ui.out(f"  {words(name):<24} {said}")
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
