"""Figures of a search: how it went, and what accuracy costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nascli.core.pareto import dominates, hypervolume, normalised
from nascli.core.problem import Problem
from nascli.core.trial import History, Trial
from nascli.report import canvas
from nascli.report.units import label, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Points = Sequence[tuple[float, float]]
_MANY = 2000  # dots from which a picture is smaller than its lines
_COSTS = ("params", "macs", "latency_ms")


def search(history: History, problem: Problem) -> dict[str, str]:
    """Name -> SVG: the first objective against trials, the other ones and each known cost.

    With several objectives there is also the hypervolume against trials. A figure for which there
    is nothing to plot is left out.
    """
    metric, *others = [objective.metric for objective in problem.goal.objectives]
    good = [trial for trial in history if math.isfinite(problem.goal.loss(trial))]
    if not good:
        return {}
    with canvas.styled():
        figures = {"anytime": _anytime(good, history, problem)}
        if others:
            figures["hypervolume"] = _hypervolume(history, problem)
        for cost in dict.fromkeys((*others, *_COSTS)):
            known = [trial for trial in good if math.isfinite(trial.metrics.get(cost, math.nan))]
            if cost != metric and len({trial.metrics[cost] for trial in known}) > 1:
                figures[f"{metric}_over_{cost}"] = _scatter(known, cost, problem)
    return {_plain(name): figure for name, figure in figures.items()}


def front(trials: Sequence[Trial], cost: str, problem: Problem) -> list[Trial]:
    """The trials that no other one beats in both the objective and `cost`, cheapest first."""
    place = [objective.metric for objective in problem.goal.objectives]
    sign = place.index(cost) if cost in place else None

    def losses(trial: Trial) -> tuple[float, float]:
        spent = trial.metrics[cost] if sign is None else problem.goal.losses(trial)[sign]
        return spent, problem.goal.losses(trial)[0]

    best, found = math.inf, []
    for trial in sorted(trials, key=losses):
        if losses(trial)[1] < best:
            best = losses(trial)[1]
            found.append(trial)
    return found


def _anytime(good: Sequence[Trial], history: History, problem: Problem) -> str:
    metric = problem.goal.objectives[0].metric
    place = {id(trial): number for number, trial in enumerate(history, 1)}
    cloud = [(place[id(trial)], trial.metrics[metric]) for trial in good]
    best = [(place[id(t)], t.metrics[metric]) for t in history.incumbents(problem.goal)]
    best.append((len(history), best[-1][1]))
    figure, (axes,) = canvas.plots()
    _cloud_and_steps(axes, cloud, best, "best so far")
    axes.set_xlabel("trials")
    axes.set_ylabel(label(metric))
    canvas.whole_numbers(axes.xaxis)
    return canvas.svg(figure)


def _hypervolume(history: History, problem: Problem) -> str:
    """The share of the box between best and worst values that the trials so far dominate."""
    place = {id(trial): number for number, trial in enumerate(history, 1)}
    trials = history.full(problem.goal)
    front: list[tuple[float, ...]] = []
    steps = [(0, 0.0)]
    points = normalised([problem.goal.losses(trial) for trial in trials])
    for trial, point in zip(trials, points, strict=True):
        if any(all(a <= b for a, b in zip(old, point, strict=True)) for old in front):
            continue
        front = [old for old in front if not dominates(point, old)] + [point]
        steps.append((place[id(trial)], hypervolume(front, (1.0,) * len(point))))
    steps.append((len(history), steps[-1][1]))
    figure, (axes,) = canvas.plots()
    axes.plot(*zip(*steps, strict=True), "-", lw=2, color=canvas.RED, ds="steps-post")
    axes.set_xlabel("trials")
    axes.set_ylabel("hypervolume")
    canvas.whole_numbers(axes.xaxis)
    return canvas.svg(figure)


def _scatter(trials: Sequence[Trial], cost: str, problem: Problem) -> str:
    from matplotlib.ticker import EngFormatter

    metric = problem.goal.objectives[0].metric
    cloud = [(trial.metrics[cost], trial.metrics[metric]) for trial in trials]
    best = [(t.metrics[cost], t.metrics[metric]) for t in front(trials, cost, problem)]
    figure, (axes,) = canvas.plots()
    _cloud_and_steps(axes, cloud, best, "best at this cost or less")
    axes.plot(*zip(*best, strict=True), "D", ms=6, mew=0, color=canvas.RED)
    axes.set_xlabel(label(cost))
    axes.set_ylabel(label(metric))
    if not unit(cost):
        axes.xaxis.set_major_formatter(EngFormatter())
    return canvas.svg(figure)


def _cloud_and_steps(axes: Axes, cloud: _Points, steps: _Points, name: str) -> None:
    """All trials as dots and the best of them as a staircase; says how many dots lie outside."""
    low, high = _window([y for _, y in cloud], steps[-1][1])
    outside = sum(not low <= y <= high for _, y in cloud)
    dots = f"trial ({outside} outside the figure)" if outside else "trial"
    (drawn,) = axes.plot(*zip(*cloud, strict=True), "o", mew=0, alpha=0.5, label=dots)
    drawn.set(ms=5 if len(cloud) < 500 else 3, color=canvas.BLUE, rasterized=len(cloud) > _MANY)
    style = "steps-post"
    axes.plot(*zip(*steps, strict=True), "-", lw=2, color=canvas.RED, ds=style, label=name)
    if high > low:
        room = 0.05 * (high - low)
        axes.set_ylim(low - room, high + room)
    canvas.legend(axes)


def _window(values: Sequence[float], must: float) -> tuple[float, float]:
    """A range that holds `must` and all values but those far from the bulk (Tukey's fences)."""
    import numpy as np

    first, third = np.percentile(values, (25, 75))
    reach = 1.5 * (third - first)
    inside = [value for value in values if first - reach <= value <= third + reach]
    return min([*inside, must]), max([*inside, must])


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
