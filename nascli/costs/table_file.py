"""The file of a latency table: CSV, a row a layer, whose every cell is looked at as it is read."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nascli.core import plain
from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.plan import Layer, Setting
from nascli.core.regular import contents

_KEYS = ("operation", "in_channels", "out_channels", "stride", "height", "width")
_TIMES = ("median_ms", "p10_ms", "p90_ms")
_CONDITIONS = ("threads", "dtype", "batch", "layout", "torch", "device")
COLUMNS = (*_KEYS, *_TIMES, "repeats", *_CONDITIONS)
"""What every table has; columns of `FURTHER` may follow."""
QUARTILE, RUNTIME, SETTINGS = "lower_quartile_ms", "runtime", "settings"
FURTHER = (QUARTILE, RUNTIME, SETTINGS)
"""In this order: the first two where every row has them, the last (JSON) where some row has any."""
_TEXTS = {"operation", "dtype", "layout", "torch", "device", RUNTIME}
_MILLISECONDS = {*_TIMES, QUARTILE}
_PLAIN = (str, int, float, bool)
_MOST_BYTES = 10**9
_MOST_MS = 10 * 60 * 1000.0  # ten minutes for one layer: no time, but a mistake in a unit


def written(table: Mapping[Layer, Latency]) -> str:
    """One row a layer, under its heads; `read` gives it back unchanged."""
    some = {
        QUARTILE: all(latency.lower_quartile_ms is not None for latency in table.values()),
        RUNTIME: all(RUNTIME in latency.conditions for latency in table.values()),
        SETTINGS: any(layer.settings for layer in table),
    }
    further = [name for name in FURTHER if some[name]]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*COLUMNS, *further))
    for layer, latency in table.items():
        more = {
            QUARTILE: latency.lower_quartile_ms,
            RUNTIME: latency.conditions.get(RUNTIME),
            SETTINGS: json.dumps(dict(layer.settings)),
        }
        key = [getattr(layer, name) for name in _KEYS]
        times = [getattr(latency, name) for name in (*_TIMES, "repeats")]
        conditions = [latency.conditions.get(name) for name in _CONDITIONS]
        rows.writerow([*key, *times, *conditions, *(more[name] for name in further)])
    return text.getvalue()


def read(source: str | Path) -> dict[Layer, Latency]:
    """What `written` gave: its text, or the path of a file that holds it.

    Raises:
        Fault: the file cannot be read, or it is not such a table; names the line and column.
    """
    where = f"latency table '{source}'" if isinstance(source, Path) else "the latency table"
    rows = csv.reader(io.StringIO(_text(source)), strict=True)
    table: dict[Layer, Latency] = {}
    try:
        columns = _checked_head(next(rows, []), where)
        for cells in rows:
            at = f"{where}, line {rows.line_num}"
            layer, latency = _row(cells, columns, at)
            _check_row(layer, latency, table, at)
            table[layer] = latency
    except csv.Error as error:
        raise Fault(f"{where}, line {rows.line_num}: not a CSV row ({error})") from error
    if not table:
        raise Fault(f"{where} has no rows; measure one with `nas profile`")
    return table


def words(layer: Layer) -> str:
    """A layer as a person reads it."""
    settings = "".join(f", {name}={value}" for name, value in layer.settings)
    return (
        f"{layer.operation} {layer.in_channels}->{layer.out_channels} channels, "
        f"stride {layer.stride}, {layer.height}x{layer.width}{settings}"
    )


def lacking(layers: Sequence[Layer]) -> Fault:
    """Says that a latency table has no row for these."""
    more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
    return Fault(
        f"the latency table has no row for {'; '.join(map(words, layers[:3]))}{more}; "
        "it belongs to another space or image size: measure one with `nas profile`"
    )


def _text(source: str | Path) -> str:
    if isinstance(source, str):
        return source
    try:
        return contents(source, _MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise Fault(f"cannot read the latency table '{source}': {reason}") from error


def _checked_head(head: list[str], where: str) -> tuple[str, ...]:
    """The columns of a table with that first line."""
    for number, (name, want) in enumerate(zip(head, COLUMNS, strict=False), 1):
        if name != want:
            raise Fault(f"{where}, line 1, column {number}: '{name:.40}' should be '{want}'")
    if len(head) < len(COLUMNS):
        raise Fault(f"{where}, line 1: {len(head)} columns, not {len(COLUMNS)}")
    left = list(FURTHER)
    for number, name in enumerate(head[len(COLUMNS) :], len(COLUMNS) + 1):
        if name not in left:
            wanted = f"one of {', '.join(left)}" if left[1:] else "".join(left) or "no more column"
            raise Fault(f"{where}, line 1, column {number}: '{name:.40}' should be {wanted}")
        del left[: left.index(name) + 1]
    return tuple(head)


def _row(cells: list[str], columns: Sequence[str], at: str) -> tuple[Layer, Latency]:
    if len(cells) != len(columns):
        raise Fault(f"{at}: {len(cells)} columns, not {len(columns)}")
    values: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=True):
        values[name] = _settings(cell, at) if name == SETTINGS else _value(name, cell, at)
    conditions = {name: values[name] for name in (*_CONDITIONS, RUNTIME) if name in values}
    times = {name: values[name] for name in (*_TIMES, "repeats", QUARTILE) if name in values}
    key = {name: values[name] for name in _KEYS}
    layer = Layer(**key, settings=values.get(SETTINGS, ()))
    return layer, Latency(**times, conditions=conditions)


def _settings(cell: str, at: str) -> tuple[tuple[str, Setting], ...]:
    try:
        found = plain.parsed(cell)
    except ValueError:
        found = None
    if not isinstance(found, dict) or any(type(v) not in _PLAIN for v in found.values()):
        raise Fault(f"{at}, column {SETTINGS}: '{cell:.40}' is not a JSON object of plain values")
    return tuple(sorted(found.items()))


def _value(name: str, cell: str, at: str) -> str | int | float:
    if name in _TEXTS:
        if cell:
            return cell
        raise Fault(f"{at}, column {name}: empty")
    timed = name in _MILLISECONDS
    try:
        value = float(cell) if timed else int(cell)
    except ValueError:
        value = math.nan
    if not (0 <= value < math.inf if timed else value >= 1):
        kind = "a time in milliseconds" if timed else "a whole number from 1 up"
        raise Fault(f"{at}, column {name}: '{cell:.40}' is not {kind}")
    return value


def _check_row(layer: Layer, latency: Latency, table: Mapping[Layer, Latency], at: str) -> None:
    if layer in table:
        raise Fault(f"{at}: a second row for {words(layer)}")
    if not latency.p10_ms <= latency.median_ms <= latency.p90_ms:
        raise Fault(f"{at}, column median_ms: {latency.median_ms} lies outside p10_ms to p90_ms")
    if latency.median_ms > _MOST_MS:
        said = f"{latency.median_ms:g} ms is more than ten minutes for one layer"
        raise Fault(f"{at}, column median_ms: {said}")
    if not latency.in_order:
        raise Fault(f"{at}, column {QUARTILE}: {latency.ms} lies far outside p10_ms to p90_ms")
    first = next(iter(table.values()), latency).conditions
    for name, value in latency.conditions.items():
        if value != first[name]:
            raise Fault(f"{at}, column {name}: '{value}', but the rows above have '{first[name]}'")
