"""A network as text of 80 columns: its cells as small graphs, its stages with their shares."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from nascli.report.cells import Cell

Row = Mapping[str, Any]
_SHARES = {"params": "params", "macs": "MACs", "output_mb": "memory", "latency_ms": "latency"}
_COLUMNS = 80


def graph(cell: Cell) -> list[str]:
    """A rail for every state, from where it is computed to where it is read last.

    A line for every operation: it leaves the rail of its source and enters its node, whose line
    follows. Edges that carry nothing are left out.
    """
    edges = [[edge for edge in into if edge[1] != "none"] for _, into in cell.nodes]
    names = [*cell.inputs, *(name for name, _ in cell.nodes)]
    states, inputs = len(names), len(cell.inputs)
    order = [edge for into in edges for edge in into]
    last = {source: number for number, (source, _) in enumerate(order)}
    label = max(map(len, names))
    wide = max((len(operation) for _, operation in order), default=0)
    live: set[int] = set()

    def line(name: str, marks: Mapping[int, str], tail: str, start: int = states) -> str:
        """The rails, with `marks` on some, drawn through to the right from rail `start` on."""
        cells = []
        for state in range(states):
            through = state > start
            mark = marks.get(state, ("┼" if through else "│") if state in live else "─" * through)
            cells.append(f"{mark or ' '}{'─' if state >= start else ' '}")
        return f"  {name:>{label}}  {''.join(cells)}{tail}".rstrip()

    lines = []
    for state in range(inputs):
        lines.append(line(names[state], {state: "●"}, ""))
        live |= {state} & last.keys()
    number = 0
    for node, into in enumerate(edges):
        for place, (source, operation) in enumerate(into):
            ends = last[source] == number
            live -= {source} if ends else set()
            tail = f"─ {operation} {'─' * (wide - len(operation))}─{'┤' if place else '┐'}"
            lines.append(line("", {source: "╰" if ends else "├"}, tail, source))
            number += 1
        state = inputs + node
        tail = f"{'─' * (wide + 4)}┘" if into else "  nothing enters"
        lines.append(line(names[state], {state: "●"}, tail, state if into else states))
        live |= {state} & last.keys()
    if cell.output:
        side = ", ".join(names[inputs:])
        lines.append(f"  {cell.output:>{label}} = {side} side by side")
    return lines


def stages(layers: Sequence[Row]) -> list[str]:
    """A line for every stage, cell or other part: its output, and its share of what all cost.

    Parts that follow each other and are alike have one line together.
    """
    if not layers:
        return []
    shown = [key for key in _SHARES if any(row.get(key) for row in layers)]
    totals = {key: sum(row.get(key) or 0 for row in layers) for key in shown}
    parts = [list(rows) for _, rows in itertools.groupby(layers, key=_part)]
    table = [["", "", "output", *(_SHARES[key] for key in shown)]]
    for _, group in itertools.groupby(parts, key=_kind):
        alike = list(group)
        rows = [row for part in alike for row in part]
        shares = (sum(row.get(key) or 0 for row in rows) / (totals[key] or 1) for key in shown)
        name = _part(rows[0])
        name += f" to {_part(rows[-1]).rpartition('.')[2]}" if len(alike) > 1 else ""
        operations = {row["operation"] for row in alike[0]}
        count = len(alike[0])
        what = f"{count} layers" if len(operations) > 1 else f"{count} x {operations.pop()}"
        what = f"{len(alike)} x {what}" if len(alike) > 1 else what.removeprefix("1 x ")
        table.append([name, what, rows[-1]["output"], *(f"{share:.1%}" for share in shares)])
    return aligned(table, left=2)


def _part(row: Row) -> str:
    """The part of the network that a layer is of: the first two steps of its path."""
    return ".".join(row["layer"].split(".")[:2])


def _kind(part: Sequence[Row]) -> tuple[tuple[object, ...], ...]:
    """The same for parts that are alike."""
    return tuple((row["operation"], row["output"], row["params"]) for row in part)


def aligned(table: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows under each other, the first `left` columns flush left; a first one that is too long
    for 80 columns gets a line of its own.
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    room = _COLUMNS - sum(widths[1:]) - 2 * len(widths)
    first = min(widths[0], max(room, 8))
    lines = []
    for row in table:
        cells = [
            f"{cell:<{wide}}" if n < left else f"{cell:>{wide}}"
            for n, (cell, wide) in enumerate(zip(row, [first, *widths[1:]], strict=True))
        ]
        if len(row[0]) > first:
            lines.append(f"  {row[0]}")
            cells[0] = " " * first
        lines.append("  " + "  ".join(cells).rstrip())
    return lines
