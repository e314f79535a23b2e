"""A CSV of genotypes and their metrics: a user's own table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nascli.core import plain
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.regular import contents
from nascli.core.space import check

Row = dict[str, float]
_MOST_BYTES = 10**9


def read(path: Path, problem: Problem) -> list[tuple[Genotype, Row]]:
    """The rows of a CSV with a column `genotype` or one per decision; other columns are metrics.

    Raises:
        Fault: the file cannot be read, has no rows, or does not fit the space and the objectives.
    """
    try:
        text = contents(path, _MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"cannot read estimator.path={path}: {error}") from error
    try:
        return _rows(path, csv.DictReader(io.StringIO(text)), problem)
    except csv.Error as error:
        raise Fault(f"{path} is no table: {error}") from error


def _rows(path: Path, reader: csv.DictReader[str], problem: Problem) -> list[tuple[Genotype, Row]]:
    columns = list(reader.fieldnames or ())
    decisions = list(problem.space.decisions)
    keyed = ["genotype"] if "genotype" in columns else decisions
    missing = [name for name in keyed if name not in columns]
    if missing:
        raise Fault(
            f"{path} has neither a column 'genotype' nor one for each decision of space "
            f"'{problem.space.name}': {', '.join(missing[:5])} missing"
        )
    metrics = [name for name in columns if name not in keyed]
    if "accuracy" not in metrics and not {o.metric for o in problem.goal.objectives} <= set(
        metrics
    ):
        raise Fault(f"{path} has no column 'accuracy'; its metrics are: {', '.join(metrics)}")
    rows: list[tuple[Genotype, Row]] = []
    for record in reader:
        where = f"{path}, line {reader.line_num}"
        genotype = _genotype(record, keyed, problem, where)
        row = {name: _number(record[name], name, where) for name in metrics}
        rows.append((genotype, row))
    if not rows:
        raise Fault(f"{path} has no rows")
    return rows


def _genotype(
    record: Mapping[str, Any], keyed: Iterable[str], problem: Problem, where: str
) -> Genotype:
    """The genotype of one CSV record."""
    name = problem.space.name
    try:
        choices = {key: str(record[key]) for key in keyed}
        if "genotype" in choices:
            choices = plain.parsed(choices["genotype"])
            if not isinstance(choices, dict):
                raise ValueError("not a JSON object")
        return check(problem.space, Genotype.from_json({"space": name, "choices": choices}))
    except (ValueError, Fault) as error:
        raise Fault(f"{where}: {error}") from error


def _number(text: str | None, column: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Fault(f"{where}: column '{column}' holds {text!r}, not a finite number")
    return value
