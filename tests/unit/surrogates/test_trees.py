"""Forests and boosted trees: what they learn, and how sure they are, against closed forms."""

import random

import numpy as np
import pytest
from fixtures import ToySpace
from scipy.stats import spearmanr

from nascli.core import space as moves
from nascli.surrogates.boosting import Boosting
from nascli.surrogates.forest import Forest


class Digits(ToySpace):
    """Six decisions of three options; every genotype is its own function."""

    def __init__(self):
        super().__init__(decisions=dict.fromkeys("abcdef", ("0", "1", "2")))

    def canonical(self, genotype):
        return genotype


SPACE = Digits()
EVERY = tuple(moves.at(SPACE, n) for n in range(3**6))
DRAWN = tuple(random.Random(0).sample(EVERY, 120))
REST = tuple(genotype for genotype in EVERY if genotype not in set(DRAWN))


def height(genotype):
    """Weights of places and a pair that matters together."""
    digits = list(map(int, genotype.options))
    return sum((n + 1) * d for n, d in enumerate(digits)) + 6.0 * (digits[0] == digits[5] == 2)


VALUES = np.array(list(map(height, DRAWN)))


@pytest.mark.parametrize("make", [Forest, Boosting])
def test_unseen_genotypes_come_in_the_right_order(make):
    surrogate = make(SPACE, 0)
    surrogate.fit(DRAWN, VALUES)
    means, _ = surrogate.predict(REST)
    assert spearmanr(means, list(map(height, REST))).statistic > 0.85
    flipped = make(SPACE, 0)
    flipped.fit(DRAWN, -VALUES)
    assert spearmanr(flipped.predict(REST)[0], means).statistic < -0.85


@pytest.mark.parametrize("make", [Forest, Boosting])
def test_doubt_is_larger_where_nothing_was_seen_and_none_where_all_is_alike(make):
    near = tuple(g for g in EVERY if g.options[0] == "0")
    seen = random.Random(1).sample(near, 100)
    surrogate = make(SPACE, 0)
    surrogate.fit(seen, np.array(list(map(height, seen))))
    _, known = surrogate.predict(tuple(seen))
    _, unknown = surrogate.predict(tuple(set(near) - set(seen)))
    assert unknown.mean() > 1.2 * known.mean() > 0
    surrogate.fit(DRAWN, np.full(len(DRAWN), 3.5))
    means, deviations = surrogate.predict(REST)
    assert np.allclose(means, 3.5)
    assert np.allclose(deviations, 0.0, atol=1e-9)


@pytest.mark.parametrize("make", [Forest, Boosting])
def test_the_seed_decides_and_more_values_are_another_draw(make):
    def found(seed, count):
        surrogate = make(SPACE, seed)
        surrogate.fit(DRAWN[:count], VALUES[:count])
        return surrogate.predict(REST)[0]

    assert np.array_equal(found(0, 40), found(0, 40))
    assert not np.array_equal(found(0, 40), found(1, 40))


def test_a_forest_is_the_mean_of_trees_that_never_leave_what_was_seen():
    surrogate = Forest(SPACE, 0, trees=30)
    surrogate.fit(DRAWN, VALUES)
    means, deviations = surrogate.predict(EVERY)
    assert means.min() >= VALUES.min() and means.max() <= VALUES.max()
    assert len(surrogate._forest.estimators_) == 30
    inside = surrogate.predict(DRAWN)[0]
    # every tree is grown on about 63 % of the values until it knows them, so most are recalled
    assert np.abs(inside - VALUES).mean() < 0.5 * np.abs(VALUES - VALUES.mean()).mean()
    assert (deviations > 0).any()


def test_one_round_of_boosting_is_the_mean_and_a_share_of_the_best_split():
    """Friedman, algorithm 1 with squares: F1 = mean + rate * the stump of least squared residue."""
    rate = 0.3
    surrogate = Boosting(SPACE, 0, members=1, rounds=1, depth=1, rate=rate)
    surrogate.fit(DRAWN, VALUES)
    sides = [lambda g, d=d, o=o: g.options[d] == o for d in range(6) for o in "012"]
    sides += [lambda g, o=o, n=n: g.options.count(o) > n for o in "012" for n in range(5)]

    def split(side):
        """The squared residue that is left, and the two means."""
        there = np.array([side(genotype) for genotype in DRAWN])
        parts = [VALUES[there], VALUES[~there]]
        return sum(((part - part.mean()) ** 2).sum() for part in parts), *(p.mean() for p in parts)

    best = min(
        (side for side in sides if 0 < sum(map(side, DRAWN)) < 120), key=lambda s: split(s)[0]
    )
    _, inside, outside = split(best)
    mean = VALUES.mean()
    expected = [mean + rate * ((inside if best(g) else outside) - mean) for g in REST]
    assert surrogate.predict(REST)[0] == pytest.approx(expected)


def test_the_first_of_several_boosted_members_has_seen_every_value():
    alone = Boosting(SPACE, 0, members=1)
    several = Boosting(SPACE, 0, members=3)
    for surrogate in (alone, several):
        surrogate.fit(DRAWN, VALUES)
    first = alone.predict(DRAWN)[0]
    assert np.abs(first - VALUES).max() < 1.0  # of a range of 40
    other = [member.predict(several._features(DRAWN)) for member in several._members]
    assert np.allclose(other[0], first)
    assert np.abs(other[1] - VALUES).max() > 1.0  # a bootstrap sample lacks a third
    means, deviations = several.predict(DRAWN)
    assert means == pytest.approx(np.mean(other, axis=0))
    assert deviations == pytest.approx(np.std(other, axis=0))
