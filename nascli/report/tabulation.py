"""A comparison as text: the table and the tests in a terminal, CSV files, and report.json."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nascli.analysis import standings
from nascli.analysis.comparison import HYPERVOLUME, Comparison
from nascli.analysis.significance import LEVEL, Contrast, least_p, runs_for
from nascli.core.words import counted
from nascli.report.units import duration, readable, unit, words

FEW_PAIRS = 3  # of groups, about which there is a sentence each
Row = Mapping[str, Any]


def summary(
    comparison: Comparison, rows: Sequence[Row], found: Sequence[Contrast]
) -> dict[str, Any]:
    """What report.json says of a comparison.

    Keys, always all of them:

    - `verb`, `title`; `description`: how to read the rest
    - `compared_by`: `measure` is what decides; `x` and `at`; `box`: the corners of the hypervolume
    - `table`: as `standings.standings` gives it
    - `tests`: every two groups, as `significance.Contrast` says; `p_values`: those as a matrix
    - `runs`: what each one was and had
    """
    names = [str(row["group"]) for row in rows]
    return {
        "verb": "compare",
        "title": f"compare · {', '.join(names)}",
        "description": reading(comparison, found),
        "compared_by": {
            "measure": comparison.measures[0].metric,
            "x": comparison.axis,
            "at": comparison.at,
            "box": comparison.corners() if len(comparison.goals) > 1 else None,
        },
        "table": list(rows),
        "tests": [asdict(contrast) for contrast in found],
        "p_values": standings.matrix(found, names) if found else [],
        "runs": _runs(comparison, names),
    }


def curves(comparison: Comparison, *, log: bool = False) -> str:
    """compare.csv: group, seed, queries or seconds, measure, value; a line per point of a curve."""
    xs = comparison.grid(log=log)
    lines: list[Sequence[object]] = [("group", "seed", comparison.axis, "measure", "value")]
    for group, records in comparison.groups.items():
        for record in records:
            for measure in comparison.measures:
                values = comparison.values(record, measure, xs)
                for x, value in zip(xs, values, strict=True):
                    if not np.isnan(value):
                        lines.append(
                            (group, record.seed, f"{x:.10g}", measure.metric, repr(float(value)))
                        )
    return _csv(lines)


def text(rows: Sequence[Row]) -> str:
    """table.csv: a line per group."""
    names = list(rows[0])
    return _csv([names, *([row[name] for name in names] for row in rows)])


def head(comparison: Comparison) -> list[str]:
    """The columns of the table in a terminal; of several goals it shows the hypervolume alone."""
    columns = ["", "runs", _head(comparison.measures[0].metric), "s.e.", "median"]
    columns += [_head(name, comparison.goals[0].metric) for name in _final_names(comparison)]
    columns += ["rank", "wins"] if _ranked(comparison) else []
    return columns + (["queries"] if comparison.at is None else [])


def line(comparison: Comparison, row: Row) -> list[str]:
    """One row of the table in a terminal."""
    first = comparison.measures[0].metric
    without = row["unanswered"]
    cells = [str(row["group"]), f"{row['runs']}" + (f" ({without} without)" if without else "")]
    cells += [_spread(first, row), _fine(first, row[f"standard_error_{first}"])]
    cells += [_told(first, row[f"median_{first}"])]
    cells += [_spread(name, row) for name in _final_names(comparison)]
    if _ranked(comparison):
        cells += [f"{row['rank']:.2f}", str(row["wins"])]
    if comparison.at is None:
        cells.append(f"{row['queries']:.4g} in {duration(row['seconds'])}")
    return cells


def reading(comparison: Comparison, found: Sequence[Contrast]) -> str:
    """How the table came about, what the curves show, and what the tests say."""
    where = "at the end of each run"
    if comparison.at is not None:
        where = f"after {comparison.at:g} {comparison.axis}"
    lines = [f"The best {where}: mean ± standard deviation over runs; s.e. = std / sqrt(runs)."]
    if len(comparison.goals) > 1:
        corners = [
            f"{name} ({', '.join(f'{m} {readable(m, v)}' for m, v in corner.items())})"
            for name, corner in comparison.corners().items()
        ]
        lines.append(f"Hypervolume: share of the box between {' and '.join(corners)}.")
    lines.append(
        "Curves: mean over a group's runs, 25th to 75th percentile; from where all of them have a "
        "value to where the first one ends."
    )
    if len(comparison.groups) > 1:
        lines += _significance(comparison, found)
    return "\n".join(lines)


def pairs(comparison: Comparison, found: Sequence[Contrast]) -> tuple[list[str], list[list[str]]]:
    """Header and a row for every two groups, for a terminal."""
    header = ["", "difference", "95 % interval", "p", "Holm", ""]
    rows = []
    for one in found:
        lead, bounds = _differs(comparison, one)
        numbers = ["–" if p is None else p_value(p) for p in (one.p, one.corrected)]
        says = f"{one.better} is better" if one.shown else "no difference shown"
        rows.append([f"{one.first} - {one.second}", lead, bounds, *numbers, says])
    return header, rows


def p_value(p: float) -> str:
    """To the digits that matter."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _significance(comparison: Comparison, found: Sequence[Contrast]) -> list[str]:
    """What was tested, what that can show at the least, and what it has shown."""
    kind = "pairs of runs, which share their seed's randomness" if comparison.paired else "runs"
    correction = f", Holm-corrected for {counted(len(found), 'pair')}" if len(found) > 1 else ""
    lines = [f"{found[0].test} test, two-sided{correction}; the unit: {kind}."]
    lines += _power(comparison, found)
    if len(found) <= FEW_PAIRS:
        lines += [f"  {_contrast(comparison, one)}" for one in found]
    return lines


def _power(comparison: Comparison, found: Sequence[Contrast]) -> list[str]:
    """What so few runs cannot show, whatever they score."""
    counts = {group: len(runs) for group, runs in comparison.groups.items()}
    sides = [(counts[one.first], counts[one.second]) for one in found]
    least = max(least_p(*side, pairs=comparison.paired) for side in sides)
    if least * len(found) <= LEVEL:
        return []
    fewest = min(sides, key=lambda side: -least_p(*side, pairs=comparison.paired))
    holm = f", times {len(found)} at worst by Holm" if len(found) > 1 else ""
    enough = runs_for(len(found), pairs=comparison.paired)
    return [
        f"{' and '.join(str(n) for n in fewest)} runs reach p = {p_value(least)} at the least"
        f"{holm}: it takes {enough} a side to show a difference at {LEVEL:g}."
    ]


def _contrast(comparison: Comparison, one: Contrast) -> str:
    lead, bounds = _differs(comparison, one)
    tested = "" if one.corrected is None else f"; p = {p_value(one.corrected)}"
    shown = f"{lead} ({bounds}{tested})"
    if one.shown:
        other = one.second if one.better == one.first else one.first
        return f"{one.better} is better than {other}: {one.first} - {one.second} = {shown}"
    return f"no difference shown: {one.first} - {one.second} = {shown}"


def _differs(comparison: Comparison, one: Contrast) -> tuple[str, str]:
    """The difference of the means and its interval, in the unit of the measure."""
    measure = comparison.measures[0]
    sign = 1.0 if measure.direction == "max" else -1.0
    if one.lead is None:
        return "–", "no interval: runs without an answer"
    if one.low is None or one.high is None:
        few = min(len(comparison.groups[group]) for group in (one.first, one.second)) < 2
        why = "a single run" if few else "all score the same"
        return _signed(measure.metric, sign * one.lead), f"no interval: {why}"
    low, high = sorted((sign * one.low, sign * one.high))
    bounds = f"{_signed(measure.metric, low)} .. {_signed(measure.metric, high)}"
    return _signed(measure.metric, sign * one.lead), bounds


def _signed(metric: str, value: float) -> str:
    """A difference, with its sign; of percent in points."""
    digits = 2 if unit(metric) == "%" else 4 if metric == HYPERVOLUME.metric else None
    return f"{value:+.4g}" if digits is None else f"{value:+.{digits}f}"


def _head(metric: str, beside: str = "") -> str:
    """A metric's name in a narrow column, where that of `beside` has been said."""
    short = f"{words(metric.removesuffix(f'_{beside}'))}"
    return f"{short} (%)" if unit(metric) == "%" else short


def _final_names(comparison: Comparison) -> list[str]:
    """What is shown of the final reports: nothing of a front."""
    if comparison.at is not None or len(comparison.goals) > 1:
        return []
    return sorted({name for record in comparison.records for name in record.final})


def _ranked(comparison: Comparison) -> bool:
    return len(comparison.groups) > 1 and comparison.paired


def _spread(metric: str, row: Row) -> str:
    """Mean ± standard deviation."""
    mean, std = row.get(f"mean_{metric}"), row.get(f"std_{metric}")
    if mean is None or std is None:
        return _told(metric, mean)
    return f"{_told(metric, mean)} ± {_told(metric, std)}"


def _told(metric: str, value: float | None) -> str:
    """A value without the percent sign, which the head of its column has."""
    if value is None:
        return "–"
    digits = 2 if unit(metric) == "%" else 4 if metric == HYPERVOLUME.metric else None
    return readable(metric, value) if digits is None else f"{value:.{digits}f}"


def _fine(metric: str, value: float | None) -> str:
    """A standard error, to a digit more than the mean."""
    if value is None or unit(metric) != "%":
        return _told(metric, value)
    return f"{value:.3f}"


def _runs(comparison: Comparison, order: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for group in order:
        for record in sorted(comparison.groups[group], key=lambda record: record.seed):
            row = {
                "group": group,
                "seed": record.seed,
                "run": record.name,
                "ended": record.finished,
            }
            row |= {"trials": record.trials, **record.ends}
            for measure in comparison.measures:
                value = comparison.last(record, measure)
                row[measure.metric] = None if math.isnan(value) else value
            rows.append({**row, **record.final})
    return rows


def _csv(lines: Sequence[Sequence[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue()
