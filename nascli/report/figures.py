"""Figures of a search: how it went, and what accuracy costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nascli.core.pareto import dominates, hypervolume, normalised
from nascli.core.problem import Problem
from nascli.core.trial import History, Trial
from nascli.report import units
from nascli.report.chart import Chart, Figures, Scale, Series, plain_name
from nascli.report.units import label

_COSTS = ("params", "macs", "latency_ms")


def search(history: History, problem: Problem, unit: str = "trial") -> Figures:
    """The first objective against trials, the other ones and each known cost.

    `unit` is what a trial is called.

    With several objectives there is also the hypervolume against trials. A figure for which there
    is nothing to plot is left out.
    """
    metric, *others = [objective.metric for objective in problem.goal.objectives]
    good = [trial for trial in history if math.isfinite(problem.goal.loss(trial))]
    if not good:
        return {}
    drawn = {"anytime": [_anytime(good, history, problem, unit)]}
    if others:
        drawn["hypervolume"] = [_hypervolume(history, problem, unit)]
    for cost in dict.fromkeys((*others, *_COSTS)):
        known = [trial for trial in good if math.isfinite(trial.metrics.get(cost, math.nan))]
        if cost != metric and len({trial.metrics[cost] for trial in known}) > 1:
            drawn[plain_name(f"{metric}_over_{cost}")] = [_scatter(known, cost, problem, unit)]
    return drawn


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


def _anytime(good: Sequence[Trial], history: History, problem: Problem, unit: str) -> Chart:
    metric = problem.goal.objectives[0].metric
    place = {id(trial): number for number, trial in enumerate(history, 1)}
    best = history.incumbents(problem.goal)
    cloud = _points(unit, good, [place[id(trial)] for trial in good], metric)
    x = [*(place[id(trial)] for trial in best), len(history)]
    y = [trial.metrics[metric] for trial in best]
    numbers = [trial.number for trial in best]
    steps = Series("best so far", x, [*y, y[-1]], "steps", "red", trials=[*numbers, numbers[-1]])
    return _cloud_and_steps(cloud, steps, f"{unit}s", label(metric), "whole")


def _hypervolume(history: History, problem: Problem, unit: str) -> Chart:
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
    x, y = zip(*steps, strict=True)
    return Chart(f"{unit}s", "hypervolume", [Series("", x, y, "steps", "red")], "whole")


def _scatter(trials: Sequence[Trial], cost: str, problem: Problem, unit: str) -> Chart:
    metric = problem.goal.objectives[0].metric
    cloud = _points(unit, trials, [trial.metrics[cost] for trial in trials], metric)
    best = sorted(front(trials, cost, problem), key=lambda trial: trial.metrics[cost])
    x, y = [t.metrics[cost] for t in best], [t.metrics[metric] for t in best]
    numbers = [trial.number for trial in best]
    name = "best at this cost or less"
    steps = Series(name, x, y, "steps", "red", marked=True, trials=numbers)
    scale: Scale = "plain" if units.unit(cost) else "large"
    return _cloud_and_steps(cloud, steps, label(cost), label(metric), scale)


def _points(name: str, trials: Sequence[Trial], x: Sequence[float], metric: str) -> Series:
    y = [trial.metrics[metric] for trial in trials]
    return Series(name, x, y, "dots", "blue", trials=[trial.number for trial in trials])


def _cloud_and_steps(cloud: Series, steps: Series, x: str, y: str, scale: Scale) -> Chart:
    """All trials as dots and the best of them as a staircase; says how many dots lie outside."""
    low, high = _window(cloud.y, steps.y[-1])
    outside = sum(not low <= value <= high for value in cloud.y)
    if outside:
        cloud = replace(cloud, name=f"{cloud.name} ({outside} outside the figure)")
    return Chart(x, y, [cloud, steps], scale, (low, high) if high > low else None)


def _window(values: Sequence[float], must: float) -> tuple[float, float]:
    """A range that holds `must` and all values but those far from the bulk (Tukey's fences)."""
    import numpy as np

    first, third = np.percentile(values, (25, 75))
    reach = 1.5 * (third - first)
    inside = [value for value in values if first - reach <= value <= third + reach]
    return min([*inside, must]), max([*inside, must])
