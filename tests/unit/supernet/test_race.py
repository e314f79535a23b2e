"""Who leaves a race, by the stated test worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nascli.supernet.race import Race


def rights(count, *stretches):
    """So many images, right within these stretches."""
    found = np.zeros(count, dtype=bool)
    for begin, end in stretches:
        found[begin:end] = True
    return found


def raced(paths, images, top):
    race = Race(len(paths), images, top)
    for number, right in enumerate(paths):
        race.add(number, right)
    race.judge()
    return race


@pytest.mark.parametrize(("won", "stays"), [(100, True), (52, True), (50, False), (0, False)])
def test_a_path_that_loses_by_more_than_four_deviations_leaves(won, stays):
    """The leader is right on 100 images that the other misses, which is right on `won` others.

    (100 - 52) / sqrt(152) = 3.89 and (100 - 50) / sqrt(150) = 4.08 deviations.
    """
    leader, other = rights(400, (0, 200)), rights(400, (100, 200), (200, 200 + won))
    race = raced([leader, other], 4000, 1)
    assert (1 in race.running) == stays
    assert 0 in race.running


def test_what_both_get_right_says_nothing():
    both = rights(1000, (0, 900))
    less = both.copy()
    less[:15] = False  # 15 > 4 * sqrt(15) = 15.5 is not so
    assert raced([both, less], 5000, 1).running == [0, 1]
    less[:17] = False  # 17 > 4 * sqrt(17) = 16.5
    assert raced([both, less], 5000, 1).running == [0]


def test_on_few_images_only_those_leave_that_cannot_catch_up():
    leader, none = rights(100, (0, 100)), rights(100)
    assert raced([leader, none], 201, 1).running == [0, 1]
    assert raced([leader, none], 200, 1).running == [0, 1]  # it may still come level
    assert raced([leader, none], 199, 1).running == [0]


def test_it_is_the_last_place_at_the_top_that_counts():
    paths = [rights(400, (0, end)) for end in (300, 200, 150, 100, 190)]
    assert raced(paths, 4000, 2).running == [0, 1, 4]
    assert raced(paths, 4000, None).running == [0, 1, 2, 3, 4]
    assert raced(paths, 4000, 5).running == [0, 1, 2, 3, 4]


def test_accuracies_of_those_that_left_are_for_all_images_and_below_the_others():
    first = [rights(200, (0, 160)), rights(200, (0, 120)), rights(200, (0, 158))]
    race = raced(first, 400, 1)
    assert race.running == [0, 2]
    race.add(0, rights(200, (0, 120)))  # harder images: 60 and 59 % where it was 80 and 79 %
    race.add(2, rights(200, (0, 118)))
    race.judge()
    found = race.accuracies()
    assert found[0] == (100 * 280 / 400, 400) and found[2] == (100 * 276 / 400, 400)
    # 60 % of the first 200, less the 10 points that the others have lost from there to the end
    assert found[1] == (pytest.approx(50.0), 200)
    assert raced([rights(200, (0, 200)), rights(200, (0, 180))], 200, 1).accuracies() == [
        (100.0, 200), (90.0, 200),
    ]  # fmt: skip
