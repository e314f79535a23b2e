"""Figures of a comparison: anytime curves of every group, and their fronts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from nascli.analysis.comparison import HYPERVOLUME, Comparison, Curve
from nascli.core.goal import Objective
from nascli.report.chart import DASHES, PALETTE, Chart, Figure, Figures, Kind, Scale, Series
from nascli.report.units import label, unit

_Looks = Mapping[str, tuple[str, str]]  # group -> dashes and colour


def draw(comparison: Comparison, order: Sequence[str], *, log: bool = False) -> Figures:
    """`anytime` of the first goal; `hypervolume` and `front` where there are several.

    `order` is that of the legend, best first; a group keeps its colour whatever its place. A figure
    for which there is nothing to plot is left out.
    """
    looks = dict(
        zip(comparison.groups, itertools.cycle(itertools.product(DASHES, PALETTE)), strict=False)
    )
    figures: dict[str, Figure] = {
        "anytime": _curves(comparison, comparison.goals[0], order, looks, log=log)
    }
    if len(comparison.goals) > 1:
        figures["hypervolume"] = _curves(comparison, HYPERVOLUME, order, looks, log=log)
        figures["front"] = _fronts(comparison, order, looks)
    return {name: figure for name, figure in figures.items() if figure}


def _curves(
    comparison: Comparison, measure: Objective, order: Sequence[str], looks: _Looks, *, log: bool
) -> list[Chart]:
    xs = comparison.grid(log=log)
    curves = {group: comparison.curve(group, measure, xs) for group in order}
    drawn = {group: curve for group, curve in curves.items() if curve}
    if not drawn:
        return []
    lines = []
    for group, curve in drawn.items():
        dashes, colour = looks[group]
        runs = len(comparison.groups[group])
        band = (curve.low.tolist(), curve.high.tolist()) if runs > 1 else None
        x, y = curve.x.tolist(), curve.mean.tolist()
        name = f"{group} ({runs})"
        lines.append(Series(name, x, y, "steps", colour, dashes, band=band))
    several = any(len(runs) > 1 for runs in comparison.groups.values())
    seconds = comparison.axis != "queries"
    axis = label(comparison.axis) if seconds else "queries (trials charged to the budget)"
    best = "" if measure is HYPERVOLUME else "best "
    scale: Scale = "log" if log else "plain" if seconds else "whole"
    window = _window(list(drawn.values()), 0.02 if log else 0.1)
    note = "mean and 25 to 75 %\nof the (number of) runs" if several else ""
    return [Chart(axis, best + label(measure.metric), lines, scale, window, note)]


def _window(curves: Sequence[Curve], start: float) -> tuple[float, float]:
    """A range that holds all curves but for their steep beginning, a share of the axis."""
    top = max(curve.x[-1] for curve in curves)
    values: list[float] = []
    for curve in curves:
        late = curve.x >= min(start * top, curve.x[-1])
        values += [*curve.low[late], *curve.high[late], *curve.mean[late]]
    return min(values), max(values)


def _fronts(comparison: Comparison, order: Sequence[str], looks: _Looks) -> list[Chart]:
    """The first goal over each of the others: the fronts of all of a group's runs together."""
    goals = comparison.goals
    signs = np.array([-1.0 if goal.direction == "max" else 1.0 for goal in goals])
    fronts = {group: signs * comparison.front(group) for group in order}
    charts = []
    for other, goal in enumerate(goals[1:], 1):
        lines = []
        for group, front in fronts.items():
            points = front[front[:, other].argsort()]
            dashes, colour = looks[group]
            name = f"{group} ({len(comparison.groups[group])})"
            x, y = points[:, other].tolist(), points[:, 0].tolist()
            kind: Kind = "steps" if goal.direction == "min" else "stairs"
            kind = kind if len(goals) == 2 else "dots"
            line = Series(name, x, y, kind, colour, dashes, marked=True)
            lines += [line] if len(points) else []
        scale: Scale = "plain" if unit(goal.metric) else "large"
        note = "front of all the\n(number of) runs together"
        charts.append(Chart(label(goal.metric), label(goals[0].metric), lines, scale, note=note))
    return charts if charts[0].series else []
