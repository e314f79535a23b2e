"""Searches side by side: what their best was at any time, and how they end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nascli.analysis.significance import paired
from nascli.core.fault import Fault
from nascli.core.goal import Objective
from nascli.core.pareto import hypervolume, nondominated

Array = NDArray[np.float64]
Axis = Literal["queries", "seconds"]
HYPERVOLUME = Objective("hypervolume", "max")
_POINTS = 1000  # of a curve, at most
_CLOSE = 1e-6  # what sums of shares may be off


@dataclass(frozen=True)
class Record:
    """What a comparison needs of one run.

    `queries`, `seconds` (n,) and `losses` (n, goals, to be minimised) are of those good trials at
    full fidelity that no earlier one had beaten: how much of the budget had been charged when they
    ended, how long the search had taken, and what they reached. `worst` (goals,) is the worst of
    all good trials at full fidelity, `ends` what the whole run took, `final` what its report says
    of the answer alone, such as its test accuracy.
    """

    name: str
    seed: int
    queries: Array
    seconds: Array
    losses: Array
    worst: Array
    ends: Mapping[str, float]
    trials: int
    finished: bool = True
    final: Mapping[str, float] = field(default_factory=dict)

    def along(self, axis: Axis) -> Array:
        """Where the trials lie on an axis, (n,)."""
        return self.queries if axis == "queries" else self.seconds


def unbeaten(losses: Array) -> NDArray[np.intp]:
    """Where rows of `losses` (n, goals) lie that no earlier one equals or beats in all goals."""
    if losses.shape[1] == 1:
        least = np.minimum.accumulate(losses[:, 0])
        return np.flatnonzero(np.r_[True, losses[1:, 0] < least[:-1]][: len(losses)])
    front, kept = losses[:0], []
    for index, row in enumerate(losses):
        if not (front <= row).all(axis=1).any():
            front = np.vstack([front[~(front >= row).all(axis=1)], row])
            kept.append(index)
    return np.array(kept, dtype=np.intp)


@dataclass(frozen=True)
class Curve:
    """The mean over a group's runs at `x`, and the 25th and 75th percentile.

    It begins where every run of the group has a value and ends where the shortest one does, so
    that it is always over the same runs.
    """

    x: Array
    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Comparison:
    """Groups of runs on the same problem, which differ within a group by their seed alone.

    `goals` are what was searched for. With several of them the measure is the hypervolume: the
    share of the box between two corners, `ideal` and `reference`, that a run's front dominates. The
    corners are metric -> value; what is not given is the best or the worst value of all good trials
    of all runs. `at` is where on the axis the table is taken (None: at every run's own end).
    `paired` says that runs of one seed share their randomness, so that they are compared in pairs.

    Raises:
        Fault: `at` lies beyond the end of a run, a corner names no goal or leaves no box, or runs
            are to be pairs and groups have other seeds.
    """

    groups: Mapping[str, Sequence[Record]]
    goals: tuple[Objective, ...]
    axis: Axis = "queries"
    at: float | None = None
    reference: Mapping[str, float] | None = None
    ideal: Mapping[str, float] | None = None
    paired: bool = False

    def __post_init__(self) -> None:
        told = {group: [run.seed for run in runs] for group, runs in self.groups.items()}
        if self.paired and not paired(list(told.values())):
            listed = "; ".join(
                f"{group}: {', '.join(map(str, sorted(own)))}" for group, own in told.items()
            )
            raise Fault(
                f"paired=true needs every seed once in every group; there are {listed}: leave it "
                "out, or name the runs that pair"
            )
        short = min(self.records, key=lambda record: record.ends[self.axis])
        if self.at is not None and self.at > short.ends[self.axis] + _CLOSE:
            raise Fault(
                f"at={self.at:g} lies beyond the end of '{short.name}' "
                f"({short.ends[self.axis]:g} {self.axis}); take at most that"
            )
        if len(self.goals) > 1:
            self._corners  # noqa: B018 - so that its faults come first

    @property
    def records(self) -> list[Record]:
        """Every run of every group."""
        return [record for group in self.groups.values() for record in group]

    @property
    def measures(self) -> tuple[Objective, ...]:
        """What is told of every run, the one that decides first."""
        return self.goals if len(self.goals) == 1 else (HYPERVOLUME, *self.goals)

    def values(self, record: Record, measure: Objective, xs: Array) -> Array:
        """The best of the run up to each of `xs`; nan before its first trial and beyond its end."""
        place = np.searchsorted(record.along(self.axis), xs + _CLOSE, side="right") - 1
        steps = np.r_[math.nan, self._steps[record.name, measure.metric]]
        return np.where(xs > record.ends[self.axis] + _CLOSE, math.nan, steps[place + 1])

    def last(self, record: Record, measure: Objective) -> float:
        """The best of the run where the table is taken; nan if it has found nothing."""
        end = record.ends[self.axis] if self.at is None else self.at
        return float(self.values(record, measure, np.array([end]))[0])

    def grid(self, *, log: bool = False) -> Array:
        """Where curves are drawn: every query, or a thousand points where that is fewer."""
        ends = [record.ends[self.axis] for record in self.records]
        top = max(*ends, 1e-3)
        if self.axis == "queries" and top <= _POINTS:
            inner = np.arange(1.0, top + 1)
        else:
            low = 1.0 if self.axis == "queries" else top / _POINTS
            inner = (np.geomspace if log else np.linspace)(low, top, _POINTS)
            inner = inner.round() if self.axis == "queries" else inner
        return np.unique(np.r_[inner[inner <= top], ends])

    def curve(self, group: str, measure: Objective, xs: Array) -> Curve | None:
        """The group's anytime curve; None if some run never found anything."""
        runs = np.array([self.values(record, measure, xs) for record in self.groups[group]])
        told = ~np.isnan(runs).any(axis=0)
        if not told.any():
            return None
        low, high = np.percentile(runs[:, told], (25, 75), axis=0)
        return Curve(xs[told], runs[:, told].mean(axis=0), low, high)

    def front(self, group: str) -> Array:
        """What no run of the group beats: (points, goals), as losses, by the first goal."""
        points = np.vstack([self._upto(record) for record in self.groups[group]])
        front = points[nondominated(points.tolist())]
        return front[np.lexsort(front.T[::-1])]

    def corners(self) -> dict[str, dict[str, float]]:
        """The box of the hypervolume, in the goals' units."""
        return {
            name: {
                goal.metric: _value(goal, loss) for goal, loss in zip(self.goals, row, strict=True)
            }
            for name, row in zip(("ideal", "reference"), self._corners.tolist(), strict=True)
        }

    def _upto(self, record: Record) -> Array:
        """The losses up to where the table is taken."""
        if self.at is None:
            return record.losses
        return record.losses[record.along(self.axis) <= self.at + _CLOSE]

    @cached_property
    def _corners(self) -> Array:
        """Ideal and reference as losses, (2, goals)."""
        known = [record for record in self.records if len(record.losses)]
        if not known:
            return np.tile([[0.0], [1.0]], len(self.goals))
        best = np.min([record.losses.min(axis=0) for record in known], axis=0)
        worst = np.max([record.worst for record in known], axis=0)
        ideal = self._corner("ideal", self.ideal, best)
        reference = self._corner("reference", self.reference, worst)
        for goal, good, bad in zip(self.goals, ideal, reference, strict=True):
            if good > bad:
                raise Fault(
                    f"{goal.metric} is {_value(goal, bad):g} at the reference, which is better "
                    f"than the {_value(goal, good):g} of the ideal; it must be worse"
                )
        return np.array([ideal, reference])

    def _corner(self, key: str, given: Mapping[str, float] | None, else_: Array) -> list[float]:
        """One corner as losses."""
        names = [goal.metric for goal in self.goals]
        if given and set(given) != set(names):
            raise Fault(f"{key} names {', '.join(given)}; it must give {', '.join(names)}")
        if given is None:
            return [float(loss) for loss in else_]
        return [goal.loss(given) for goal in self.goals]

    @cached_property
    def _steps(self) -> dict[tuple[str, str], Array]:
        """(run, measure) -> its value after each of the run's trials, (n,)."""
        steps = {}
        for record in self.records:
            for column, goal in enumerate(self.goals):
                best = np.minimum.accumulate(record.losses[:, column])
                steps[record.name, goal.metric] = -best if goal.direction == "max" else best
            if len(self.goals) > 1:
                steps[record.name, HYPERVOLUME.metric] = self._volumes(record)
        return steps

    def _volumes(self, record: Record) -> Array:
        """The share of the box that the first n trials dominate, for every n."""
        ideal, reference = self._corners
        sides = np.where(reference > ideal, reference - ideal, 1.0)
        scaled = np.maximum((record.losses - ideal) / sides, 0.0)  # better than ideal counts as it
        points: list[list[float]] = []
        volumes = []
        for row in scaled.tolist():
            points = [p for p in points if any(a < b for a, b in zip(p, row, strict=True))]
            points.append(row)
            volumes.append(hypervolume(points, [1.0] * len(row)))
        return np.array(volumes)


def _value(goal: Objective, loss: float) -> float:
    """The metric whose loss this is."""
    return -loss if goal.direction == "max" else loss
