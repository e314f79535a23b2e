import itertools
import random
from collections import Counter

import pytest

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype


def everything(space):
    combinations = itertools.product(*space.decisions.values())
    return [Genotype(space.name, tuple(space.decisions), c) for c in combinations]


def distance(first, second):
    return sum(a != b for a, b in zip(first.options, second.options, strict=True))


def test_numbers_enumerate_the_space(toy):
    assert moves.size(toy) == 3 * 2 * 2
    assert [moves.at(toy, i) for i in range(12)] == everything(toy)
    with pytest.raises(IndexError):
        moves.at(toy, 12)


def test_neighbours_are_all_at_distance_one(toy):
    for genotype in everything(toy):
        found = list(moves.neighbours(toy, genotype))
        assert sorted(map(str, found)) == sorted(
            str(other) for other in everything(toy) if distance(genotype, other) == 1
        )


def test_samples_are_uniform(toy):
    rng = random.Random(0)
    counts = Counter(moves.sample(toy, rng) for _ in range(12_000))
    # binomial(12000, 1/12): 1000 +- 30; five deviations
    assert len(counts) == 12
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_mutation_changes_one_decision_uniformly(toy):
    rng = random.Random(0)
    parent = moves.at(toy, 0)
    counts = Counter(moves.mutate(toy, parent, rng) for _ in range(6_000))
    assert set(counts) == set(moves.neighbours(toy, parent))
    # a decision in three, then one of its other options: 'a' has two of them
    for child, count in counts.items():
        share = 1 / 6 if child["a"] != parent["a"] else 1 / 3
        assert abs(count - 6_000 * share) < 5 * (6_000 * share * (1 - share)) ** 0.5


def test_mutation_leaves_decisions_without_a_choice_alone(toy):
    toy.decisions = {"a": ("0",), "b": ("0", "1")}
    child = moves.mutate(toy, moves.at(toy, 0), random.Random(0))
    assert child.options == ("0", "1")


def test_crossover_takes_every_decision_from_a_parent(toy):
    rng = random.Random(0)
    first, second = moves.at(toy, 0), moves.at(toy, 11)
    children = {moves.crossover(first, second, rng) for _ in range(200)}
    assert len(children) == 2**3
    for child in children:
        pairs = zip(child.options, first.options, second.options, strict=True)
        assert all(mine in (a, b) for mine, a, b in pairs)


def test_one_hot_has_one_place_per_option(toy):
    assert moves.one_hot(toy, moves.at(toy, 7)).tolist() == [0, 1, 0, 0, 1, 0, 1]
    vectors = {tuple(moves.one_hot(toy, genotype)) for genotype in everything(toy)}
    assert len(vectors) == 12
    assert {sum(vector) for vector in vectors} == {3}


@pytest.mark.parametrize(
    ("space", "choices", "says"),
    [
        ("cell", {"a": "0", "b": "0", "c": "0"}, "of space 'cell', not of space 'toy'"),
        ("toy", {"a": "0", "b": "0"}, "what to take at c"),
        ("toy", {"a": "9", "b": "0", "c": "0"}, "option of a '9' is not known; allowed: 0, 1, 2"),
        ("toy", {"a": "0", "b": "0", "d": "0"}, "decision of space toy 'd' is not known"),
    ],
)
def test_a_genotype_that_does_not_fit_is_a_fault(toy, space, choices, says):
    with pytest.raises(Fault, match=says):
        moves.check(toy, Genotype.of(space, choices))


def test_check_restores_the_order_of_decisions(toy):
    mixed = Genotype.of("toy", {"c": "1", "a": "2", "b": "0"})
    assert moves.check(toy, mixed) == Genotype.of("toy", {"a": "2", "b": "0", "c": "1"})
