"""Many losses at once: domination, fronts, crowding and hypervolume; all are to be minimised.

Deb, Pratap, Agarwal and Meyarivan, A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II,
IEEE Transactions on Evolutionary Computation 2002.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Losses = Sequence[float]


def dominates(first: Losses, second: Losses) -> bool:
    """Whether `first` is nowhere worse than `second`, and somewhere better."""
    return all(a <= b for a, b in zip(first, second, strict=True)) and tuple(first) != tuple(second)


def nondominated(points: Sequence[Losses]) -> list[int]:
    """Where the points lie that no other one dominates; of equal ones the first."""
    order = sorted(range(len(points)), key=lambda index: (tuple(points[index]), index))
    kept: list[int] = []
    for index in order:  # whatever dominates a point comes before it
        point = points[index]
        if not any(all(a <= b for a, b in zip(points[k], point, strict=True)) for k in kept):
            kept.append(index)
    return sorted(kept)


def fronts(points: Sequence[Losses]) -> list[list[int]]:
    """Non-dominated sorting: the first front, the first one of the rest, and so on."""
    left, found = list(range(len(points))), []
    while left:
        front = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        found.append(front)
        taken = set(front)
        left = [index for index in left if index not in taken]
    return found


def crowding(points: Sequence[Losses]) -> list[float]:
    """The crowding distance of every point of one front; the outermost ones have +inf."""
    distances = [0.0] * len(points)
    for axis in range(len(points[0]) if points else 0):
        order = sorted(range(len(points)), key=lambda index: points[index][axis])
        low, high = points[order[0]][axis], points[order[-1]][axis]
        distances[order[0]] = distances[order[-1]] = math.inf
        if not 0 < high - low < math.inf:
            continue
        for before, index, after in zip(order, order[1:], order[2:], strict=False):
            distances[index] += (points[after][axis] - points[before][axis]) / (high - low)
    return distances


def hypervolume(points: Sequence[Losses], reference: Losses) -> float:
    """The volume that the points dominate below `reference` (points beyond it count nothing).

    Exact, by slicing along the last axis: n log n for two losses, n times more for every other one.
    """
    inside = [tuple(p) for p in points if all(a < r for a, r in zip(p, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(p[0] for p in inside)
    inside.sort(key=lambda p: p[-1])
    if len(reference) == 2:
        return _area(inside, reference)
    volume = 0.0
    ends = [p[-1] for p in inside[1:]] + [reference[-1]]
    for count, (point, end) in enumerate(zip(inside, ends, strict=True), 1):
        if end > point[-1]:
            slab = hypervolume([p[:-1] for p in inside[:count]], reference[:-1])
            volume += slab * (end - point[-1])
    return volume


def normalised(points: Sequence[Losses]) -> list[tuple[float, ...]]:
    """The points with every loss scaled so that the best one is 0 and the worst one 1.

    A loss that is the same everywhere becomes 0.
    """
    if not points:
        return []
    lows = [min(values) for values in zip(*points, strict=True)]
    highs = [max(values) for values in zip(*points, strict=True)]
    spans = [(low, high - low or 1.0) for low, high in zip(lows, highs, strict=True)]
    return [tuple((x - low) / d for x, (low, d) in zip(p, spans, strict=True)) for p in points]


def _area(ordered: Sequence[Losses], reference: Losses) -> float:
    """Two losses, the points ordered by the second: a staircase."""
    area, least = 0.0, reference[0]
    for first, second in ordered:
        if first < least:
            area += (least - first) * (reference[1] - second)
            least = first
    return area
