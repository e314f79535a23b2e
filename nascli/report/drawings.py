"""Drawings of a genotype: its cells as graphs, or its decisions as a table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nascli.core.choice import Edge
from nascli.core.genotype import Genotype
from nascli.core.space import Planned, SearchSpace, open_plan
from nascli.report import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 9.0  # points of the lettering
_LANE, _GAP, _MARGIN = 24.0, 32.0, 8.0  # height of an edge's lane; room between columns
_NODE, _ARROW = 22.0, 14.0
_ROWS = 24  # at most, in one column of a table of decisions
_SOURCES = ("#4D4D4D", "#A3448B")  # lines that leave the first input, and the second

# A word in an operation's name -> outline and filling of its label.
_TINTS = (
    ("none", canvas.GREY, "#FFFFFF"),
    ("pool", canvas.GREEN, "#DDF2EA"),
    ("skip", canvas.ORANGE, "#FCF2DC"),
    ("identity", canvas.ORANGE, "#FCF2DC"),
    ("", canvas.BLUE, "#DCEBF6"),
)


@dataclass(frozen=True)
class _Cell:
    """Inputs by their labels, then nodes: per node a label and its (source, operation) edges."""

    inputs: Sequence[str]
    nodes: Sequence[tuple[str, Sequence[tuple[int, str]]]]
    output: str | None


def draw(space: SearchSpace, genotype: Genotype) -> dict[str, str]:
    """Name -> SVG: one graph per kind of cell, or one table of decisions for a space without cells.

    Cells are what the edges of the space's open plan make, with the options that the genotype takes
    on them. The names contain only letters, digits, `_` and `-`.
    """
    with canvas.styled():
        cells = _cells(space, genotype)
        if cells:
            return {name: _graph(cell) for name, cell in cells.items()}
        return {"decisions": _table(genotype)}


def _cells(space: SearchSpace, genotype: Genotype) -> dict[str, _Cell]:
    """Every kind of cell by the name of its picture; empty if the choices are not all edges."""
    plan = open_plan(space)
    if plan is None or not isinstance(space, Planned):
        return {}
    edges = [choice for choice in plan.choices if isinstance(choice, Edge)]
    if len(edges) < len(plan.choices) or any(edge.source >= edge.target for edge in edges):
        return {}
    taken = space.taken(genotype)
    nodes = {p.name for p in plan.places if p.kind == "add" and p.cell}
    joined = any(p.kind == "concatenate" and nodes.issuperset(p.inputs) for p in plan.places)
    cells = {}
    for group in dict.fromkeys(edge.group for edge in edges):
        own = [edge for edge in edges if edge.group == group]
        name = re.sub("[^A-Za-z0-9_-]", "_", group)
        name = name if name.endswith("cell") else f"{name}_cell"
        cells[name] = _cell(own, taken, "$c_k$" if joined else None)
    return cells


def _cell(edges: Sequence[Edge], taken: Mapping[str, str], output: str | None) -> _Cell:
    """The cell of these edges; several inputs are the outputs of the cells before it."""
    targets = sorted({edge.target for edge in edges})
    inputs = sorted({edge.source for edge in edges} - set(targets))
    state = {number: index for index, number in enumerate((*inputs, *targets))}
    labels = [str(number) for number in inputs]
    if len(inputs) > 1:
        labels = [f"$c_{{k-{len(inputs) - index}}}$" for index in range(len(inputs))]
    nodes = [
        (
            str(target),
            sorted(
                (state[edge.source], taken[edge.name])
                for edge in edges
                if edge.target == target and edge.name in taken
            ),
        )
        for target in targets
    ]
    return _Cell(labels, nodes, output)


@dataclass(frozen=True)
class _Layout:
    """Where things lie, in points: per state its column's right edge and its middle height.

    `tops` are the upper edges of the nodes' rows, `label` and `start` the widths of an
    operation's label and of an input.
    """

    rights: Sequence[float]
    middles: Sequence[float]
    tops: Sequence[float]
    label: float
    start: float
    height: float


def _layout(cell: _Cell) -> _Layout:
    """Columns by the longest way from an input; a row of its own for every node."""
    widths = [_width(operation) for _, edges in cell.nodes for _, operation in edges]
    label = max(widths, default=_NODE)
    start = max(_NODE, 1.6 * _SIZE + 14)
    depths = [0] * len(cell.inputs)
    tops, y = [], _MARGIN
    for _, edges in cell.nodes:
        depths.append(1 + max((depths[source] for source, _ in edges), default=0))
        tops.append(y)
        y += _LANE * len(edges) + 12
    room = y / len(cell.inputs)
    middles = [room * (n + 0.5) for n in range(len(cell.inputs))]
    for top, (_, edges) in zip(tops, cell.nodes, strict=True):
        middles.append(top + _LANE * len(edges) / 2)
    pitch = _GAP + label + _ARROW + _NODE
    rights = [_MARGIN + start + depth * pitch for depth in depths]
    return _Layout(rights, middles, tops, label, start, y)


def _graph(cell: _Cell) -> str:
    """The graph from left to right.

    Every node has a row of its own, with one lane per edge that enters it; an edge leaves its
    source, turns into its lane in the gap behind the source's column, and runs straight to its
    label. So lines cross, but no line runs through a label or a node, and no labels meet.
    """
    layout = _layout(cell)
    inputs = len(cell.inputs)
    bar = max(layout.rights) + _GAP
    width = bar + _NODE if cell.output else bar - _GAP
    figure, axes = canvas.blank(width + _MARGIN, layout.height)
    if cell.output:
        for right, middle in zip(layout.rights[inputs:], layout.middles[inputs:], strict=True):
            axes.plot([right, bar], [middle, middle], color=canvas.FAINT, lw=1.4)
        _bar(axes, bar, layout.middles[inputs:], cell.output)
    for node in range(len(cell.nodes)):
        _entries(axes, cell, node, layout)
    names = [*cell.inputs, *(name for name, _ in cell.nodes)]
    for state, (name, right) in enumerate(zip(names, layout.rights, strict=True)):
        size = layout.start if state < inputs else _NODE
        _box(axes, right - size, layout.middles[state], size, name, _colour(cell, state))
    return canvas.svg(figure)


def _entries(axes: Axes, cell: _Cell, node: int, layout: _Layout) -> None:
    """The edges that enter a node: each a line, the operation's label, and an arrow."""
    state = len(cell.inputs) + node
    right = layout.rights[state] - _NODE - _ARROW
    left, middle = right - layout.label, layout.middles[state]
    for lane, (source, operation) in enumerate(cell.nodes[node][1]):
        y = layout.tops[node] + _LANE * (lane + 0.5)
        colour = _colour(cell, source) if operation != "none" else None
        _edge(axes, (layout.rights[source], layout.middles[source]), (left, y), colour)
        _label(axes, left, y, layout.label, operation)
        _arrow(axes, (right, y), (right + _ARROW, middle + max(-7.0, min(7.0, y - middle))))


def _width(text: str) -> float:
    return 0.6 * _SIZE * len(text) + 10  # 0.6 em: a little above what letters take on average


def _tint(operation: str) -> tuple[str, str]:
    return next((edge, face) for word, edge, face in _TINTS if word in operation)


def _colour(cell: _Cell, state: int) -> str:
    tell = len(cell.inputs) > 1 and state < len(cell.inputs)
    return _SOURCES[state % len(_SOURCES)] if tell else canvas.GREY


def _edge(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str | None
) -> None:
    """A line from a source to a label; faint dashes, without a colour, where nothing flows."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    (x, y), turn = start, start[0] + _GAP - 4
    points = [start, (x + _GAP / 2, y), (x + _GAP / 2, end[1]), (turn, end[1]), end]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO]
    style: dict[str, Any] = {"color": colour, "lw": 1.3}
    if colour is None:
        style = {"color": "#B0B0B0", "lw": 1.1, "ls": (0, (4, 3))}
    axes.add_patch(PathPatch(Path(points, codes), fill=False, **style))


def _label(axes: Axes, left: float, y: float, width: float, text: str) -> None:
    edge, face = _tint(text)
    _patch(axes, left, y, width, 18, edge, face, "--" if text == "none" else "-")
    colour = canvas.GREY if text == "none" else canvas.INK
    _letter(axes, left + width / 2, y, text, color=colour)


def _box(axes: Axes, left: float, y: float, width: float, text: str, colour: str) -> None:
    _patch(axes, left, y, width, _NODE, colour, "#F2F2F2", "-")
    _letter(axes, left + width / 2, y, text, weight="bold", parse_math=True)


def _bar(axes: Axes, left: float, middles: Sequence[float], text: str) -> None:
    middle, height = (min(middles) + max(middles)) / 2, max(middles) - min(middles) + 2 * _LANE
    _patch(axes, left, middle, _NODE, height, canvas.GREY, "#F2F2F2", "-")
    text = f"concatenated: {text}"
    _letter(axes, left + _NODE / 2, middle, text, rotation=90, va="center", parse_math=True)


def _patch(
    axes: Axes, left: float, y: float, width: float, height: float, edge: str, face: str, ls: str
) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (left, y - height / 2)
    style = "round,pad=0,rounding_size=5"
    axes.add_patch(
        FancyBboxPatch(corner, width, height, style, ec=edge, fc=face, ls=ls, lw=1.1, zorder=3)
    )


def _letter(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    style = {"size": _SIZE, "ha": "center", "va": "center_baseline", "zorder": 4, **style}
    axes.text(x, y, text, **style)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style: dict[str, Any] = {"arrowstyle": "-|>", "color": canvas.GREY, "lw": 1.1}
    axes.annotate("", end, start, arrowprops={**style, "shrinkA": 0, "shrinkB": 0})


def _table(genotype: Genotype) -> str:
    """All decisions and what was chosen, read down the columns."""
    pairs = list(genotype.choices.items())
    rows = math.ceil(len(pairs) / math.ceil(len(pairs) / _ROWS))
    blocks = [pairs[at : at + rows] for at in range(0, len(pairs), rows)]
    widths = [(_widest(d for d, _ in block), _widest(o for _, o in block)) for block in blocks]
    pitch = 18.0
    width = sum(map(sum, widths)) + _GAP * len(blocks)
    height = pitch * rows + 2 * _MARGIN
    figure, axes = canvas.blank(max(width, 200.0), height)
    left = _MARGIN
    for block, (first, second) in zip(blocks, widths, strict=True):
        for row, (decision, option) in enumerate(block):
            y = _MARGIN + pitch * (row + 0.5)
            if row % 2 == 0:
                axes.axhspan(
                    y - pitch / 2,
                    y + pitch / 2,
                    left / width,
                    (left + first + second) / width,
                    color="#F2F2F2",
                    lw=0,
                )
            _letter(axes, left + 6, y, decision, ha="left", color=canvas.GREY)
            _letter(axes, left + first, y, option, ha="left")
        left += first + second + _GAP / 2
    return canvas.svg(figure)


def _widest(texts: Iterable[str]) -> float:
    return max(map(_width, texts)) + 6
