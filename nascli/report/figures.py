"""Figures of a search or a training: how it went, and what accuracy costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nascli.core.pareto import dominates, hypervolume, normalised
from nascli.core.problem import Problem
from nascli.core.trial import History, Trial
from nascli.report import canvas
from nascli.report.units import label, unit, words

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
    metric, *others = [objective.metric for objective in problem.objectives]
    good = [trial for trial in history if math.isfinite(problem.loss(trial))]
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


def training(epochs: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Name -> SVG: accuracies and losses against epochs, as far as `epochs` has them.

    Every epoch is a mapping of `epoch` and metrics whose names end in `accuracy` or `loss`.
    """
    kinds = [(kind, _series(epochs, kind)) for kind in ("accuracy", "loss")]
    kinds = [(kind, series) for kind, series in kinds if series]
    if not kinds:
        return {}
    with canvas.styled():
        figure, plots = canvas.plots(len(kinds))
        for axes, (kind, series) in zip(plots, kinds, strict=True):
            for name, points in series.items():
                _curve(axes, name, points)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label(kind))
            _whole_numbers(axes)
            _legend(axes)
        return {"training": canvas.svg(figure)}


def front(trials: Sequence[Trial], cost: str, problem: Problem) -> list[Trial]:
    """The trials that no other one beats in both the objective and `cost`, cheapest first."""
    place = [objective.metric for objective in problem.objectives]
    sign = place.index(cost) if cost in place else None

    def losses(trial: Trial) -> tuple[float, float]:
        dear = trial.metrics[cost] if sign is None else problem.losses(trial)[sign]
        return dear, problem.losses(trial)[0]

    best, found = math.inf, []
    for trial in sorted(trials, key=losses):
        if losses(trial)[1] < best:
            best = losses(trial)[1]
            found.append(trial)
    return found


def _anytime(good: Sequence[Trial], history: History, problem: Problem) -> str:
    metric = problem.objectives[0].metric
    place = {id(trial): number for number, trial in enumerate(history, 1)}
    cloud = [(place[id(trial)], trial.metrics[metric]) for trial in good]
    best = [(place[id(t)], t.metrics[metric]) for t in history.incumbents(problem)]
    best.append((len(history), best[-1][1]))
    figure, (axes,) = canvas.plots()
    _cloud_and_steps(axes, cloud, best, "best so far")
    axes.set_xlabel("trials")
    axes.set_ylabel(label(metric))
    _whole_numbers(axes)
    return canvas.svg(figure)


def _hypervolume(history: History, problem: Problem) -> str:
    """The share of the box between best and worst values that the trials so far dominate."""
    place = {id(trial): number for number, trial in enumerate(history, 1)}
    trials = history.full(problem)
    front: list[tuple[float, ...]] = []
    steps = [(0, 0.0)]
    points = normalised([problem.losses(trial) for trial in trials])
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
    _whole_numbers(axes)
    return canvas.svg(figure)


def _scatter(trials: Sequence[Trial], cost: str, problem: Problem) -> str:
    from matplotlib.ticker import EngFormatter

    metric = problem.objectives[0].metric
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
    _legend(axes)


def _window(values: Sequence[float], must: float) -> tuple[float, float]:
    """A range that holds `must` and all values but those far from the bulk (Tukey's fences)."""
    import numpy as np

    first, third = np.percentile(values, (25, 75))
    reach = 1.5 * (third - first)
    inside = [value for value in values if first - reach <= value <= third + reach]
    return min([*inside, must]), max([*inside, must])


def _series(
    epochs: Sequence[Mapping[str, float]], kind: str
) -> dict[str, list[tuple[float, float]]]:
    """Metric -> (epoch, value) for every metric of this kind that is there."""
    series: dict[str, list[tuple[float, float]]] = {}
    for number, epoch in enumerate(epochs, 1):
        for name, value in epoch.items():
            if name.endswith(kind) and value is not None and math.isfinite(value):
                series.setdefault(name, []).append((epoch.get("epoch", number), value))
    return series


def _curve(axes: Axes, name: str, points: _Points) -> None:
    first = name.partition("_")[0]
    colour = {"train": canvas.BLUE, "valid": canvas.RED, "test": canvas.GREEN}.get(first)
    dashes = "--" if first == "train" else "-"
    marked = dashes + ("o" if len(points) < 12 else "")
    axes.plot(*zip(*points, strict=True), marked, ms=4, color=colour, lw=1.8, label=words(name))


def _legend(axes: Axes) -> None:
    """Above the plot, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
