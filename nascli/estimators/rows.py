"""A table of genotypes and their metrics, as people write them: a user's own CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from nascli.core import plain
from nascli.core.estimator import COSTS
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.regular import contents
from nascli.core.space import check
from nascli.genotypes import nasbench201

Row = dict[str, float]

_MOST_BYTES = 10**9
_DELIMITERS = ",;\t|"
_NUMBERS = (
    "index",
    "id",
    "nr",
    "no",
    "number",
    "row",
    "#",
)  # what a column of row numbers is called
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


class _Table(NamedTuple):
    """The cells of a file, stripped, without lines that have none."""

    columns: list[str]
    lines: list[tuple[int, list[str]]]  # the line's number, and as many cells as there are columns
    decimal_comma: bool


def read(path: Path, problem: Problem, *, refuse: bool = False) -> list[tuple[Genotype, Row]]:
    """The rows of a CSV with a column `genotype` or one per decision.

    Every other column of numbers is a metric; the listener hears of those that are left aside:
    text, and row numbers. The delimiter is a comma, a semicolon, a tab or a bar; a genotype is a
    JSON object of its choices, a whole genotype.json, or a NAS-Bench-201 string. A genotype may
    have several rows, unless they are to be refused.

    Raises:
        Fault: the file cannot be read, has no rows, or does not fit the space and the objectives.
    """
    table = _parsed(path, _text(path), problem)
    keyed = _keyed(path, table.columns, problem)
    metrics = _metrics(path, table, keyed, problem)
    if not table.lines:
        raise Fault(f"{path} has no rows")
    rows: list[tuple[Genotype, Row]] = []
    first: dict[Genotype, int] = {}
    for index, (line, cells) in enumerate(table.lines):
        where = f"{path}, line {line}"
        genotype = _genotype(
            {name: cells[table.columns.index(name)] for name in keyed}, problem, where
        )
        before = first.setdefault(genotype, line)
        if refuse and before != line:
            raise Fault(
                f"{where}: {genotype} stands in line {before} too; leave one of them out, or take "
                "estimator.repeats=average"
            )
        rows.append((genotype, {name: values[index] for name, values in metrics.items()}))
    return rows


def joined(rows: Sequence[Row], *, counted: bool) -> Row:
    """One row for several: the mean of every metric.

    With `counted` also `rows_averaged`, their number, and for every metric M `M_spread`, the
    standard deviation of a single row (n - 1 in the denominator; 0 of one row).
    """
    several = len(rows) > 1
    found = {name: mean(row[name] for row in rows) if several else v for name, v in rows[0].items()}
    if counted:
        spreads = {name: stdev(row[name] for row in rows) if several else 0.0 for name in found}
        found.setdefault("rows_averaged", len(rows))
        for name, spread in spreads.items():
            found.setdefault(f"{name}_spread", spread)
    return found


def _text(path: Path) -> str:
    try:
        data = contents(path, _MOST_BYTES)
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")  # what a spreadsheet calls Unicode text
        return data.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"cannot read estimator.path={path}: {error}") from error


def _parsed(path: Path, text: str, problem: Problem) -> _Table:
    head, _, rest = text.partition("\n")
    said = re.fullmatch(r"sep=(.)", head.strip("\r\n"))  # a spreadsheet's hint
    text = rest if said else text
    names = {"genotype", *problem.space.decisions}
    known = {name.lower(): name for name in (*names, "accuracy", "test_accuracy", *COSTS)}

    def header(delimiter: str) -> list[str]:
        lines = (line for line in text.splitlines() if line.strip())
        cells = next(csv.reader([next(lines, "")], delimiter=delimiter), [])
        return [known.get(cell.strip().lower(), cell.strip()) for cell in cells]

    try:
        found = {each: header(each) for each in (said[1] if said else _DELIMITERS)}
        delimiter = max(found, key=lambda each: (len(names & set(found[each])), len(found[each])))
        columns, lines = found[delimiter], list[tuple[int, list[str]]]()
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        for cells in reader:
            kept = [cell.strip() for cell in cells]
            if any(kept):
                lines.append((reader.line_num + bool(said), kept))
    except csv.Error as error:
        raise Fault(f"{path} is no table: {error}") from error
    for line, cells in lines[1:]:
        if any(cells[len(columns) :]):
            raise Fault(
                f"{path}, line {line} has {len(cells)} cells, for {len(columns)} columns; "
                f'put a cell that has a {delimiter!r} in it into quotes: "..."'
            )
    wide = [(line, (cells + [""] * len(columns))[: len(columns)]) for line, cells in lines[1:]]
    return _Table(columns, wide, delimiter != ",")


def _keyed(path: Path, columns: Sequence[str], problem: Problem) -> list[str]:
    """The columns that say which genotype a row is of."""
    twice = [name for name in dict.fromkeys(columns) if name and columns.count(name) > 1]
    if twice:
        raise Fault(f"{path} has several columns '{twice[0]}'; give each a name of its own")
    keyed = ["genotype"] if "genotype" in columns else list(problem.space.decisions)
    missing = [name for name in keyed if name not in columns]
    if missing:
        raise Fault(
            f"{path} has neither a column 'genotype' nor one for each decision of space "
            f"'{problem.space.name}': {', '.join(missing[:5])} missing"
        )
    return keyed


def _metrics(
    path: Path, table: _Table, keyed: Sequence[str], problem: Problem
) -> dict[str, list[float]]:
    """Column -> its numbers; the listener hears of those that have none."""
    objectives = {objective.metric for objective in problem.goal.objectives}
    wanted = {"accuracy", *problem.goal.metrics}
    metrics: dict[str, list[float]] = {}
    aside: list[str] = []
    for place, name in enumerate(table.columns):
        if name in keyed:
            continue
        cells = [(line, cells[place]) for line, cells in table.lines]
        values = [_number(cell, decimal_comma=table.decimal_comma) for _, cell in cells]
        bad = next((n for n, value in enumerate(values) if not math.isfinite(value)), None)
        if name not in wanted and (not name or name.startswith("Unnamed:")):
            aside += ["a column without a name"] if any(cell for _, cell in cells) else []
        elif name not in wanted and name.lower() in _NUMBERS and _are_row_numbers(values):
            aside.append(f"'{name}' (row numbers)")
        elif bad is None:
            metrics[name] = values
        elif name in wanted:
            line, cell = cells[bad]
            raise Fault(f"{path}, line {line}: column '{name}' holds {cell!r}, not a finite number")
        else:
            aside.append(f"'{name}' (line {cells[bad][0]} has {cells[bad][1]!r:.40}, no number)")
    if "accuracy" not in metrics and not objectives <= set(metrics):
        raise Fault(f"{path} has no column 'accuracy'; its metrics are: {', '.join(metrics)}")
    if aside:
        problem.listener.warn(f"{path}: left aside: {', '.join(aside)}")
    return metrics


def _number(text: str, *, decimal_comma: bool) -> float:
    """NaN if it is none."""
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return math.nan


def _are_row_numbers(values: Sequence[float]) -> bool:
    return any(list(values) == list(range(start, start + len(values))) for start in (0, 1, 2))


def _genotype(choices: Mapping[str, str], problem: Problem, where: str) -> Genotype:
    """The genotype that the cells of one line name."""
    try:
        data: object = choices
        text = choices.get("genotype", "")
        if text.startswith("|"):
            return check(problem.space, nasbench201.parse(text))
        if "genotype" in choices:
            data = plain.parsed(text)
        if not isinstance(data, Mapping):
            raise ValueError("not a JSON object")
        if not isinstance(data.get("choices"), Mapping):
            data = {"space": problem.space.name, "choices": data}
        return check(problem.space, Genotype.from_json(data))
    except (ValueError, Fault) as error:
        raise Fault(f"{where}: {error}") from error
