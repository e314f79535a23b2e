"""Domination and hypervolume against plain, slow readings of their definitions."""

import itertools
import math
import random

import pytest

from nascli.core.pareto import crowding, dominates, fronts, hypervolume, nondominated, normalised


def cloud(seed, count, losses, levels=6):
    rng = random.Random(seed)
    return [tuple(rng.randrange(levels) / levels for _ in range(losses)) for _ in range(count)]


def cells_dominated(points, reference, levels=6):
    """The hypervolume of points on a grid: the share of its little boxes that one dominates."""
    sides = [range(round(r * levels)) for r in reference]
    boxes = itertools.product(*sides)
    hit = sum(
        any(all(p[i] * levels <= box[i] + 1e-9 for i in range(len(box))) for p in points)
        for box in boxes
    )
    return hit / levels ** len(reference)


@pytest.mark.parametrize("losses", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_hypervolume_is_the_volume_of_the_boxes(losses, seed):
    points = cloud(seed, 7, losses)
    reference = (1.0,) * losses
    assert hypervolume(points, reference) == pytest.approx(cells_dominated(points, reference))


def test_hypervolume_of_nothing_and_beyond_the_reference():
    assert hypervolume([], (1.0, 1.0)) == 0
    assert hypervolume([(0.5, 1.0), (2.0, 0.0)], (1.0, 1.0)) == 0
    assert hypervolume([(-1.0, 0.5)], (1.0, 1.0)) == 1.0


@pytest.mark.parametrize("losses", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_fronts_by_definition(losses, seed):
    points = cloud(seed, 20, losses)
    left = set(range(20))
    for front in fronts(points):
        expected = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        assert set(front) == expected
        left -= expected
    assert not left
    first = fronts(points)[0]
    assert {points[i] for i in nondominated(points)} == {points[i] for i in first}
    assert len({points[i] for i in nondominated(points)}) == len(nondominated(points))


def test_domination():
    assert dominates((0, 1), (0, 2))
    assert not dominates((0, 1), (0, 1))
    assert not dominates((0, 1), (1, 0))


def test_crowding_is_the_side_length_of_the_cuboid():
    points = [(0.0, 10.0), (1.0, 8.0), (3.0, 2.0), (4.0, 0.0)]
    distances = crowding(points)
    assert distances[0] == distances[3] == math.inf
    assert distances[1] == pytest.approx(3 / 4 + 8 / 10)
    assert distances[2] == pytest.approx(3 / 4 + 8 / 10)
    assert crowding([]) == []
    assert crowding([(1.0, 1.0)] * 3)[1] == 0


def test_normalised_spans_zero_to_one():
    assert normalised([(2.0, 5.0), (4.0, 5.0), (3.0, 5.0)]) == [(0, 0), (1, 0), (0.5, 0)]
    assert normalised([]) == []
