"""Drawings of a genotype as SVG: its cells as graphs, or its decisions as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nascli.core.genotype import Genotype
from nascli.core.space import SearchSpace
from nascli.report import sketch
from nascli.report.cells import Cell, cells_of

_LANE, _GAP, _MARGIN = 30.0, 40.0, 10.0  # height of an edge's lane; room between columns
_NODE, _ARROW, _LABEL = 28.0, 18.0, 23.0
_ROWS = 24  # at most, in one column of a table of decisions
_SOURCES = ("#4D4D4D", "#A3448B")  # lines that leave the first input, and the second

# A word in an operation's name -> outline and filling of its label.
_TINTS = (
    ("none", sketch.GREY, "#FFFFFF"),
    ("pool", sketch.GREEN, "#DDF2EA"),
    ("skip", sketch.ORANGE, "#FCF2DC"),
    ("identity", sketch.ORANGE, "#FCF2DC"),
    ("", sketch.BLUE, "#DCEBF6"),
)


def draw(space: SearchSpace, genotype: Genotype, *, narrow: bool = False) -> dict[str, str]:
    """Name -> SVG: one graph per kind of cell, or one table of decisions for a space without cells.

    Cells are what the edges of the space's open plan make, with the options that the genotype takes
    on them. A `narrow` one is for a telephone. The names contain only letters, digits, `_` and `-`.
    """
    cells = cells_of(space, genotype)
    if cells:
        return {name: (_rows if narrow else _graph)(cell) for name, cell in cells.items()}
    return {"decisions": _table(genotype, len(genotype.options) if narrow else _ROWS)}


@dataclass(frozen=True)
class _Layout:
    """Where things lie, in pixels: per state its column's right edge and its middle height.

    `tops` are the upper edges of the nodes' rows, `label` and `start` the widths of an
    operation's label and of an input.
    """

    rights: Sequence[float]
    middles: Sequence[float]
    tops: Sequence[float]
    label: float
    start: float
    height: float


def _layout(cell: Cell) -> _Layout:
    """Columns by the longest way from an input; a row of its own for every node."""
    widths = [sketch.width(operation) for _, edges in cell.nodes for _, operation in edges]
    label = max(widths, default=_NODE)
    start = max(_NODE, *map(sketch.width, cell.inputs))
    depths = [0] * len(cell.inputs)
    tops, y = [], _MARGIN
    for _, edges in cell.nodes:
        depths.append(1 + max((depths[source] for source, _ in edges), default=0))
        tops.append(y)
        y += _LANE * len(edges) + 16
    room = y / len(cell.inputs)
    middles = [room * (n + 0.5) for n in range(len(cell.inputs))]
    for top, (_, edges) in zip(tops, cell.nodes, strict=True):
        middles.append(top + _LANE * len(edges) / 2)
    pitch = _GAP + label + _ARROW + _NODE
    rights = [_MARGIN + start + depth * pitch for depth in depths]
    return _Layout(rights, middles, tops, label, start, y)


def _graph(cell: Cell) -> str:
    """The graph from left to right.

    Every node has a row of its own, with one lane per edge that enters it; an edge leaves its
    source, turns into its lane in the gap behind the source's column, and runs straight to its
    label. So lines cross, but no line runs through a label or a node, and no labels meet.
    """
    layout = _layout(cell)
    inputs = len(cell.inputs)
    bar = max(layout.rights) + _GAP
    width = bar + _NODE if cell.output else bar - _GAP
    parts = []
    if cell.output:
        ends = zip(layout.rights[inputs:], layout.middles[inputs:], strict=True)
        parts = [sketch.line([(x, y), (bar, y)], sketch.FAINT, 1.8) for x, y in ends]
    for node in range(len(cell.nodes)):
        parts += _entries(cell, node, layout)
    names = [*cell.inputs, *(name for name, _ in cell.nodes)]
    for state, (name, right) in enumerate(zip(names, layout.rights, strict=True)):
        size = layout.start if state < inputs else _NODE
        left, y = right - size, layout.middles[state]
        parts.append(sketch.box(left, y, size, _NODE, _colour(cell, state), sketch.PALE))
        parts.append(sketch.text(left + size / 2, y, name, bold=True))
    if cell.output:
        parts += _bar(bar, layout.middles[inputs:], cell.output)
    return sketch.svg(width + _MARGIN, layout.height, parts)


def _entries(cell: Cell, node: int, layout: _Layout) -> list[str]:
    """The edges that enter a node: each a line, the operation's label, and an arrow."""
    state = len(cell.inputs) + node
    right = layout.rights[state] - _NODE - _ARROW
    left, middle = right - layout.label, layout.middles[state]
    parts = []
    for lane, (source, operation) in enumerate(cell.nodes[node][1]):
        y = layout.tops[node] + _LANE * (lane + 0.5)
        nothing = operation == "none"
        colour = "#B0B0B0" if nothing else _colour(cell, source)
        start = layout.rights[source], layout.middles[source]
        parts.append(sketch.turning(start, (left, y), _GAP, colour, dashed=nothing))
        parts += _operation(left, y, layout.label, operation)
        end = middle + max(-9.0, min(9.0, y - middle))
        parts.append(sketch.arrow((right, y), (right + _ARROW, end), sketch.GREY))
    return parts


def _colour(cell: Cell, state: int) -> str:
    tell = len(cell.inputs) > 1 and state < len(cell.inputs)
    return _SOURCES[state % len(_SOURCES)] if tell else sketch.GREY


def _bar(left: float, middles: Sequence[float], text: str) -> list[str]:
    middle, height = (min(middles) + max(middles)) / 2, max(middles) - min(middles) + 2 * _LANE
    box = sketch.box(left, middle, _NODE, height, sketch.GREY, sketch.PALE)
    return [box, sketch.text(left + _NODE / 2, middle, f"concatenated: {text}", upright=True)]


def _rows(cell: Cell) -> str:
    """A row for every edge: its source, the operation, and the node that it enters."""
    names = [*cell.inputs, *(name for name, _ in cell.nodes)]
    start = max(map(sketch.width, names))
    label = max(sketch.width(operation) for _, edges in cell.nodes for _, operation in edges)
    left, right = _MARGIN + start + _ARROW, _MARGIN + start + 2 * _ARROW + label
    parts, y = [], _MARGIN
    for node, (name, edges) in enumerate(cell.nodes):
        middle = y + _LANE * len(edges) / 2
        for source, operation in edges:
            line = y + _LANE / 2
            colour, nothing = _colour(cell, source), operation == "none"
            parts.append(sketch.line([(_MARGIN + start, line), (left, line)], colour, 1.6))
            parts.append(sketch.box(_MARGIN, line, start, _LABEL, colour, sketch.PALE))
            parts.append(sketch.text(_MARGIN + start / 2, line, names[source]))
            parts += _operation(left, line, label, operation)
            end = middle + max(-9.0, min(9.0, line - middle))
            parts += [] if nothing else [sketch.arrow((left + label, line), (right, end), colour)]
            y += _LANE
        colour = _colour(cell, len(cell.inputs) + node)
        parts.append(sketch.box(right, middle, _NODE, _NODE, colour, sketch.PALE))
        parts.append(sketch.text(right + _NODE / 2, middle, name, bold=True))
        y += 12
    if cell.output:
        said = f"{cell.output} = {', '.join(name for name, _ in cell.nodes)} concatenated"
        parts.append(sketch.text(_MARGIN, y + _LANE / 2, said, sketch.GREY, middle=False))
        y += _LANE
    return sketch.svg(right + _NODE + _MARGIN, y, parts)


def _operation(left: float, y: float, wide: float, operation: str) -> list[str]:
    """The label of an operation, in the colour of its kind."""
    nothing = operation == "none"
    edge, face = next((edge, face) for word, edge, face in _TINTS if word in operation)
    ink = sketch.GREY if nothing else sketch.INK
    box = sketch.box(left, y, wide, _LABEL, edge, face, dashed=nothing)
    return [box, sketch.text(left + wide / 2, y, operation, ink)]


def _table(genotype: Genotype, most: int) -> str:
    """All decisions and what was chosen, read down the columns."""
    pairs = list(genotype.choices.items())
    rows = math.ceil(len(pairs) / math.ceil(len(pairs) / most))
    blocks = [pairs[at : at + rows] for at in range(0, len(pairs), rows)]
    widths = [(_widest(d for d, _ in block), _widest(o for _, o in block)) for block in blocks]
    pitch, left, parts = 24.0, _MARGIN, []
    for block, (first, second) in zip(blocks, widths, strict=True):
        for row, (decision, option) in enumerate(block):
            y = _MARGIN + pitch * (row + 0.5)
            if row % 2 == 0:
                parts.append(sketch.box(left, y, first + second, pitch, "none", sketch.PALE))
            parts.append(sketch.text(left + 8, y, decision, sketch.GREY, middle=False))
            parts.append(sketch.text(left + first, y, option, middle=False))
        left += first + second + _GAP / 2
    return sketch.svg(max(left, 260.0), pitch * rows + 2 * _MARGIN, parts)


def _widest(texts: Iterable[str]) -> float:
    return max(map(sketch.width, texts)) + 8
