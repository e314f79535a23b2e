"""The final table of a comparison: plain dictionaries, a row for every group of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nascli.analysis.comparison import Comparison, Record
from nascli.analysis.significance import Contrast, contrasts, ranks, wins
from nascli.core.goal import Objective


def standings(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for every group, the best mean of the deciding measure first.

    - `group`, `runs` (seeds), `unanswered` (runs that found nothing; then means are None)
    - per measure `mean_`, `std_` (of the sample), `standard_error_` and `median_`
    - `rank`: the mean over seeds, and `wins`: seeds on which no other group is better; None unless
      runs of one seed are pairs
    - per figure of the runs' final reports `mean_` and `std_`, over those runs that have it
    - `queries` and `seconds`: what a run took on average, up to where the table is taken
    """
    losses = final_losses(comparison)
    told = seeds(comparison)
    placed: Mapping[str, float | None] = dict.fromkeys(losses)
    won: Mapping[str, int | None] = dict.fromkeys(losses)
    if len(losses) > 1 and comparison.paired:
        ordered = {g: [x for _, x in sorted(zip(told[g], losses[g], strict=True))] for g in losses}
        placed, won = ranks(ordered), wins(ordered)
    rows = []
    for group, records in comparison.groups.items():
        row: dict[str, Any] = {"group": group, "runs": len(records)}
        row["unanswered"] = sum(math.isinf(loss) for loss in losses[group])
        for measure in comparison.measures:
            row |= _spread(measure.metric, [comparison.last(r, measure) for r in records])
        row |= {"rank": placed[group], "wins": won[group]}
        row |= _finals(comparison, records) if comparison.at is None else {}
        row |= _used(comparison, records)
        rows.append(row)
    order = {group: (sum(values) / len(values), group) for group, values in losses.items()}
    return sorted(rows, key=lambda row: order[row["group"]])


def tests(comparison: Comparison) -> list[Contrast]:
    """Every two groups tested against each other by the deciding measure."""
    return contrasts(final_losses(comparison), seeds(comparison), pairs=comparison.paired)


def matrix(found: Sequence[Contrast], groups: Sequence[str]) -> list[dict[str, Any]]:
    """Corrected p-values, a row and a column for every group; None where there was no test."""
    corrected = {(c.first, c.second): c.corrected for c in found}
    corrected |= {(c.second, c.first): c.corrected for c in found}
    return [{"group": row, **{c: corrected.get((row, c)) for c in groups}} for row in groups]


def seeds(comparison: Comparison) -> dict[str, list[int]]:
    """Group -> the seeds of its runs."""
    return {group: [r.seed for r in records] for group, records in comparison.groups.items()}


def final_losses(comparison: Comparison) -> dict[str, list[float]]:
    """Group -> what each run ends with, to be minimised, by the deciding measure; +inf: nothing."""
    measure = comparison.measures[0]
    return {
        group: [_loss(measure, comparison.last(record, measure)) for record in records]
        for group, records in comparison.groups.items()
    }


def _loss(measure: Objective, value: float) -> float:
    return math.inf if math.isnan(value) else measure.loss({measure.metric: value})


def _spread(metric: str, values: Sequence[float]) -> dict[str, float | None]:
    """Mean, standard deviation, standard error and median; None for what is not defined."""
    number, array = len(values), np.array(values)
    std = float(array.std(ddof=1)) if number > 1 else math.nan
    error = std / math.sqrt(number)
    figures = {
        "mean": array.mean(),
        "std": std,
        "standard_error": error,
        "median": np.median(array),
    }
    return {f"{name}_{metric}": _known(value) for name, value in figures.items()}


def _finals(comparison: Comparison, records: Sequence[Record]) -> dict[str, Any]:
    """What the runs' reports say of their answers alone."""
    row: dict[str, Any] = {}
    for name in sorted({name for record in comparison.records for name in record.final}):
        values = [record.final[name] for record in records if name in record.final]
        spread = _spread(name, values) if values else {}
        row |= {f"{kind}_{name}": spread.get(f"{kind}_{name}") for kind in ("mean", "std")}
    return row


def _used(comparison: Comparison, records: Sequence[Record]) -> dict[str, float]:
    """What a run took on average; only what `at` fixes if that is given."""
    if comparison.at is not None:
        return {comparison.axis: comparison.at}
    return {
        axis: sum(record.ends[axis] for record in records) / len(records)
        for axis in ("queries", "seconds")
    }


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
