"""`nas show`: a genotype in words with its costs, and what became of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nascli import ui
from nascli.config import show as config
from nascli.config.compose import Asked
from nascli.core.fault import Fault
from nascli.core.provenance import given
from nascli.programs.networks import costs_of
from nascli.report.units import duration, readable, words
from nascli.runs import reading
from nascli.runs.folder import REPORT


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
    if folder and report is not None:
        _run(report, folder / REPORT)


def _run(report: Mapping[str, Any], file: Path) -> None:
    """The outcome of a run, from its report."""
    try:
        lines = [*_outcome(report), *_incumbents(report.get("incumbents") or [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(f"'{file}' is damaged: {error}") from error
    for line in lines:
        ui.out(line)


def _outcome(report: Mapping[str, Any]) -> list[str]:
    lines = [f"{report['verb']}, {duration(report['seconds'])}:"]
    trials = report.get("trials")
    if trials:
        kinds = ", ".join(f"{trials[kind]} {kind}" for kind in trials if kind != "all")
        lines.append(f"  {'trials':<24} {trials['all']} ({kinds})")
    for name, value in {**report["result"], **report.get("final", {})}.items():
        lines.append(f"  {words(name):<24} {readable(name, value)}")
    return lines


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
