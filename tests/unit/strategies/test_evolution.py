from collections import deque

import pytest

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.trial import Trial
from nascli.strategies.evolution import Evolution


def told(strategy, genotypes, accuracies, start=0):
    strategy.tell(
        [
            Trial(start + n, genotype, 1.0, {"accuracy": accuracy})
            for n, (genotype, accuracy) in enumerate(zip(genotypes, accuracies, strict=True))
        ]
    )


def test_the_oldest_leaves_even_if_it_is_the_best(problem):
    strategy = Evolution(problem, population=3, tournament=3)
    members = [moves.at(problem.space, n) for n in range(4)]
    told(strategy, members[:3], [99.0, 1.0, 2.0])
    told(strategy, members[3:], [0.5], start=3)
    alive = [member for member, _ in strategy._alive]
    assert alive == members[1:]


def test_children_are_one_mutation_of_a_tournament_winner(problem):
    strategy = Evolution(problem, population=2, tournament=2)
    good, bad = moves.at(problem.space, 0), moves.at(problem.space, 11)
    told(strategy, [good, bad], [90.0, 10.0])
    parents = []
    for _ in range(400):
        child = strategy.ask(1)[0].genotype
        near = [p for p in (good, bad) if child in set(moves.neighbours(problem.space, p))]
        assert len(near) == 1
        parents.append(near[0])
    # two draws with replacement miss the better one with chance 1/4: 100 +- 8.7, five deviations
    assert abs(parents.count(bad) - 100) < 44


def test_agrees_with_a_plain_reading_of_algorithm_1(problem):
    """Algorithm 1 written out with a list, fed the same random draws."""
    strategy = Evolution(problem, population=4, tournament=2)
    rng = type(strategy._rng)()
    rng.setstate(strategy._rng.getstate())
    population: deque = deque()
    score = lambda genotype: float(int("".join(genotype.options)))  # noqa: E731
    for number in range(40):
        child = strategy.ask(1)[0].genotype
        if len(population) < 4:
            expected = moves.sample(problem.space, rng)
        else:
            entrants = [population[int(rng.random() * 4)] for _ in range(2)]
            parent = max(entrants, key=lambda member: member[1])[0]
            expected = moves.mutate(problem.space, parent, rng)
        assert child == expected
        told(strategy, [child], [score(child)], start=number)
        population.append((child, score(child)))
        if len(population) > 4:
            population.popleft()


def test_infeasible_children_do_not_enter(problem):
    strategy = Evolution(problem, population=2, tournament=1)
    strategy.tell([Trial(0, moves.at(problem.space, 0), 1.0, infeasible="params")])
    assert not strategy._alive


def test_goes_on_after_its_state(problem):
    strategy, again = (Evolution(problem, population=3, tournament=2) for _ in range(2))
    for number in range(5):
        genotype = strategy.ask(1)[0].genotype
        told(strategy, [genotype], [float(number)], start=number)
    again.load_state_dict(strategy.state_dict())
    for number in range(5, 15):
        genotype = strategy.ask(1)[0].genotype
        assert again.ask(1)[0].genotype == genotype
        for one in (strategy, again):
            told(one, [genotype], [float(number % 3)], start=number)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"population": 0}, "population is 0; it must be at least 1"),
        ({"population": 5, "tournament": 6}, "tournament is 6; it must be from 1 to population=5"),
    ],
)
def test_sizes_that_make_no_sense_are_faults(problem, options, says):
    with pytest.raises(Fault, match=says):
        Evolution(problem, **options)
