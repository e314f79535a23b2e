"""A device of the user's own, of which some cells of NAS-Bench-201 are measured."""

from __future__ import annotations

import csv
import io
import math
from functools import cache
from pathlib import Path

import numpy as np

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.regular import contents
from nascli.costs.few_samples import KnownDevices
from nascli.genotypes.nasbench201 import EDGES, SPACE, parse, to_string
from nascli.tables.nasbench201 import shipped

COLUMNS = ("genotype", "latency_ms")
_MOST_BYTES = 10**7


@cache
def known() -> KnownDevices:
    """What the shipped table knows of all cells on all of its devices."""
    rows = shipped()
    cells = np.array([[options.count(o) for o in rows.operations[1:]] for options in rows.cells()])
    return KnownDevices({s: rows.latencies(s) for s in rows.settings}, cells.astype(float))


def to_measure(count: int = 10) -> list[str]:
    """The cells of which measurements tell most, as the benchmark spells them."""
    rows = shipped()
    every = rows.cells()
    return [to_string(Genotype(SPACE, EDGES, every[n])) for n in known().choose(count)]


def predicted(path: str) -> list[float]:
    """Milliseconds of every row of the table, from the CSV of measured ones at `path`.

    Raises:
        Fault: the file cannot be read, or has not the two columns, a cell that is none or twice
            there, or a time that is not above 0; names the line.
    """
    return [float(ms) for ms in known().predict(_samples(path))]


def _samples(path: str) -> dict[int, float]:
    """Number of a row -> its measured milliseconds."""
    try:
        text = contents(Path(path), _MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"cannot read device.path={path}: {error}") from error
    reader = csv.DictReader(io.StringIO(text))
    try:
        columns = set(reader.fieldnames or ())
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise Fault(f"{path}, line {reader.line_num}: no CSV ({error})") from error
    if not set(COLUMNS) <= columns:
        raise Fault(f"{path} has not the columns {' and '.join(COLUMNS)} in its first line")
    rows, found = shipped(), dict[int, float]()
    for number, line in lines:
        at = f"{path}, line {number}"
        try:
            options = parse(line["genotype"] or "").options
            ms = float(line["latency_ms"] or "nan")
        except (Fault, ValueError) as error:
            raise Fault(f"{at}: {error}") from error
        unknown = [option for option in options if option not in rows.operations]
        if unknown:
            raise Fault(f"{at}: '{unknown[0]}' is none of {', '.join(rows.operations)}")
        if not 0 < ms < math.inf:
            raise Fault(f"{at}: latency_ms is {ms}; it must be above 0")
        if rows.number(options) in found:
            raise Fault(f"{at}: this cell stands there twice; leave one of them out")
        found[rows.number(options)] = ms
    return found
