"""Figures of a comparison: anytime curves of every group, and their fronts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nascli.analysis.comparison import HYPERVOLUME, Array, Comparison, Curve
from nascli.core.goal import Objective
from nascli.report import canvas
from nascli.report.units import label, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, those first that differ most; then the same ones in dashes.
_COLOURS = (canvas.BLUE, canvas.RED, canvas.GREEN, "#CC79A7", canvas.ORANGE, "#56B4E9", canvas.INK)
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))
_MARKS = "osD^vPX"
_STAIRS = {"min": "steps-post", "max": "steps-pre"}  # by which way the horizontal axis is better


def draw(comparison: Comparison, order: Sequence[str], *, log: bool = False) -> dict[str, str]:
    """Name -> SVG: `anytime` of the first goal; `hypervolume` and `front` where there are several.

    `order` is that of the legend, best first; a group keeps its colour whatever its place. A figure
    for which there is nothing to plot is left out.
    """
    looks = _looks(comparison)
    figures: dict[str, str | None] = {}
    with canvas.styled():
        for name, measure in (("anytime", comparison.goals[0]), ("hypervolume", HYPERVOLUME)):
            if name == "anytime" or len(comparison.goals) > 1:
                figures[name] = _curves(comparison, measure, order, looks, log=log)
        if len(comparison.goals) > 1:
            figures["front"] = _fronts(comparison, order, looks)
    return {name: figure for name, figure in figures.items() if figure}


@dataclass(frozen=True)
class _Look:
    dashes: Any
    colour: str
    mark: str


_Looks = Mapping[str, _Look]


def _looks(comparison: Comparison) -> _Looks:
    """A look of its own for each of the first 21 groups."""
    lines = itertools.cycle(itertools.product(_DASHES, _COLOURS))
    marks = itertools.cycle(_MARKS)
    rows = zip(comparison.groups, lines, marks, strict=False)
    return {group: _Look(dashes, colour, mark) for group, (dashes, colour), mark in rows}


def _curves(
    comparison: Comparison, measure: Objective, order: Sequence[str], looks: _Looks, *, log: bool
) -> str | None:
    xs = comparison.grid(log=log)
    curves = {group: comparison.curve(group, measure, xs) for group in order}
    drawn = {group: curve for group, curve in curves.items() if curve}
    if not drawn:
        return None
    figure, (axes,) = canvas.plots()
    for group, curve in drawn.items():
        look = looks[group]
        runs = len(comparison.groups[group])
        style: Any = {"color": look.colour, "ls": look.dashes, "drawstyle": "steps-post", "lw": 2}
        axes.plot(curve.x, curve.mean, label=f"{group} ({runs})", **style)
        if runs > 1:
            band: Any = {"color": look.colour, "step": "post", "alpha": 0.18, "lw": 0}
            axes.fill_between(curve.x, curve.low, curve.high, **band)
    axes.set_ylim(_window(list(drawn.values()), 0.02 if log else 0.1))
    axes.set_xlim(xs[0] if log else 0, xs[-1])
    _scale(axes, comparison.axis, log=log)
    best = "" if measure is HYPERVOLUME else "best "
    axes.set_ylabel(best + label(measure.metric))
    several = any(len(runs) > 1 for runs in comparison.groups.values())
    _legend(figure, "mean and 25 to 75 %\nof the (number of) runs" if several else "")
    return canvas.svg(figure)


def _window(curves: Sequence[Curve], start: float) -> tuple[float, float]:
    """A range that holds all curves but for their steep beginning, a share of the axis."""
    top = max(curve.x[-1] for curve in curves)
    values: list[float] = []
    for curve in curves:
        late = curve.x >= min(start * top, curve.x[-1])
        values += [*curve.low[late], *curve.high[late], *curve.mean[late]]
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or max(abs(high), 1e-9) * 0.01
    return low - room, high + room


def _scale(axes: Axes, axis: str, *, log: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlabel("queries (trials charged to the budget)" if axis == "queries" else label(axis))
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    elif axis == "queries":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _legend(figure: Figure, title: str) -> None:
    """Beside the plot, where it hides nothing, in the order of how the groups end."""
    figure.legend(
        loc="outside right upper", title=title or None, title_fontsize=9, alignment="left"
    )


def _fronts(comparison: Comparison, order: Sequence[str], looks: _Looks) -> str | None:
    """The first goal over each of the others: the fronts of all of a group's runs together."""
    from matplotlib.ticker import EngFormatter

    goals = comparison.goals
    signs = np.array([-1.0 if goal.direction == "max" else 1.0 for goal in goals])
    fronts = {group: signs * comparison.front(group) for group in order}
    fronts = {group: front for group, front in fronts.items() if len(front)}
    if not fronts:
        return None
    figure, plots = canvas.plots(len(goals) - 1)
    for other, axes in enumerate(plots, 1):
        stairs = _STAIRS[goals[other].direction] if len(goals) == 2 else None
        for group, front in fronts.items():
            runs = f"{group} ({len(comparison.groups[group])})" if other == 1 else None
            _front(axes, front[:, [other, 0]], looks[group], stairs, runs)
        axes.set_xlabel(label(goals[other].metric))
        if not unit(goals[other].metric):
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    plots[0].set_ylabel(label(goals[0].metric))
    _legend(figure, "front of all the\n(number of) runs together")
    return canvas.svg(figure)


def _front(axes: Axes, points: Array, look: _Look, stairs: str | None, name: str | None) -> None:
    """Points with marks, which tell the groups apart where they coincide."""
    points = points[points[:, 0].argsort()]
    style: dict[str, Any] = {"ls": look.dashes, "drawstyle": stairs} if stairs else {"ls": ""}
    size = 4.5 if len(points) < 100 else 3
    axes.plot(*points.T, color=look.colour, marker=look.mark, label=name, ms=size, mew=0, **style)
