import math
from collections import deque
from dataclasses import replace

import pytest

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.goal import Constraint
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
    assert [member.genotype for member in strategy._alive] == members[1:]


def test_without_aging_the_worst_leaves(problem):
    strategy = Evolution(problem, population=3, tournament=3, aging=False)
    members = [moves.at(problem.space, n) for n in range(4)]
    told(strategy, members, [99.0, 1.0, 2.0, 0.5])
    assert [member.genotype for member in strategy._alive] == members[:3]


def test_crossover_takes_every_decision_from_a_parent_and_mutates_one(problem):
    problem.space.decisions = {f"d{i}": ("0", "1", "2") for i in range(8)}
    strategy = Evolution(problem, population=2, tournament=1, crossover=1.0)
    told(strategy, [moves.at(problem.space, 0), moves.at(problem.space, 3**8 // 2)], [1.0, 1.0])
    mixed = 0
    for _ in range(50):
        options = strategy.ask(1)[0].genotype.options
        ones = options.count("1")
        assert options.count("2") <= 1  # parents have 0s or 1s alone
        mixed += 2 <= ones <= 6
    assert mixed > 10  # half of the pairs are the two parents, and those mix by a fair coin


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


def test_who_breaks_constraints_most_leaves_first(problem):
    goal = replace(problem.goal, constraints=(Constraint("params", 10.0),))
    problem = replace(problem, goal=goal)
    strategy = Evolution(problem, population=2, tournament=2)
    outside = [
        Trial(n, moves.at(problem.space, n), 1.0, {"params": params}, infeasible="params")
        for n, params in enumerate((40.0, 30.0, 20.0))
    ]
    strategy.tell(outside)
    assert [m.rank[0] for m in strategy._alive] == [2.0, 1.0]  # nobody is inside: the oldest left
    inside = Trial(3, moves.at(problem.space, 3), 1.0, {"params": 9.0, "accuracy": 1.0})
    strategy.tell([inside])
    assert [m.rank for m in strategy._alive] == [(1.0, math.inf), (0.0, -1.0)]
    assert strategy._parent() in (outside[2].genotype, inside.genotype)
    strategy.tell([Trial(4, outside[0].genotype, 1.0, {"params": 11.0}, infeasible="params")])
    assert [m.rank[0] for m in strategy._alive] == [0.0, pytest.approx(0.1)]
    strategy.tell([Trial(5, outside[1].genotype, 1.0, {"params": 15.0}, infeasible="params")])
    assert [m.rank[0] for m in strategy._alive] == [0.0, pytest.approx(0.1)]  # it did not get in
    resumed = Evolution(problem, population=2, tournament=2)
    resumed.load_state_dict(strategy.state_dict())
    resumed.tell([replace(inside, number=6)])  # the one outside leaves, though it is not the oldest
    assert [m.rank[0] for m in resumed._alive] == [0.0, 0.0]


def test_random_genotypes_found_the_population_until_all_of_it_keeps_the_constraints(problem):
    """One draw in three keeps the constraint."""
    goal = replace(problem.goal, constraints=(Constraint("params", 0.5),))
    strategy = Evolution(replace(problem, goal=goal), population=6, tournament=2)
    rng = type(strategy._rng)()
    rng.setstate(strategy._rng.getstate())
    inside = number = 0
    while inside < 6:
        genotype = strategy.ask(1)[0].genotype
        assert genotype == moves.sample(problem.space, rng)
        broken = None if number % 3 == 0 else "params"
        metrics = {"params": 0.0 if broken is None else 1.0, "accuracy": 1.0}
        strategy.tell([Trial(number, genotype, 1.0, metrics, infeasible=broken)])
        inside, number = inside + (broken is None), number + 1
    assert number == 16 and all(member.rank[0] == 0 for member in strategy._alive)
    assert strategy.ask(1)[0].genotype != moves.sample(problem.space, rng)  # a child


@pytest.mark.parametrize(("inside", "draws"), [(0, 2), (1, 40)])
def test_a_founding_population_has_twenty_draws_a_place_if_one_keeps(problem, inside, draws):
    goal = replace(problem.goal, constraints=(Constraint("params", 0.5),))
    strategy = Evolution(replace(problem, goal=goal), population=2, tournament=2)
    rng = type(strategy._rng)()
    rng.setstate(strategy._rng.getstate())
    same = []
    for number in range(44):
        genotype = strategy.ask(1)[0].genotype
        same.append(genotype == moves.sample(problem.space, rng))
        broken = None if number < inside else "params"
        metrics = {"params": 9.0 if broken else 0.0, "accuracy": 1.0}
        strategy.tell([Trial(number, genotype, 1.0, metrics, infeasible=broken)])
    assert all(same[:draws]) and not all(same[draws : draws + 4])


def differ(one, other):
    return sum(a != b for a, b in zip(one.options, other.options, strict=True))


def test_a_child_that_breaks_a_constraint_is_mutated_up_to_four_times_more(problem):
    problem.space.decisions = {f"d{i}": ("0", "1", "2", "3") for i in range(40)}
    goal = replace(problem.goal, constraints=(Constraint("params", 0.5),))
    strategy = Evolution(replace(problem, goal=goal), population=1, tournament=1)

    def step(number, broken, strategy):
        genotype = strategy.ask(1)[0].genotype
        metrics = {"params": 9.0 if broken else 0.0, "accuracy": 1.0}
        reason = "params" if broken else None
        strategy.tell([Trial(number, genotype, 1.0, metrics, infeasible=reason)])
        return genotype

    founder = step(0, False, strategy)
    walk = [step(number, True, strategy) for number in range(1, 6)]
    assert [differ(a, b) for a, b in zip([founder, *walk], walk, strict=False)] == [1] * 5
    assert differ(founder, walk[-1]) >= 3  # away from it, not to and fro (40 places to mutate)
    assert differ(founder, step(6, True, strategy)) == 1  # anew from the one that keeps it
    resumed = Evolution(replace(problem, goal=goal), population=1, tournament=1)
    resumed.load_state_dict(strategy.state_dict())
    then = [step(number, True, resumed) for number in range(7, 11)]
    assert [step(number, True, strategy) for number in range(7, 11)] == then
    assert differ(founder, step(11, False, strategy)) == 1
    back = strategy.ask(2)  # it entered, and the founder left
    assert {differ(proposal.genotype, strategy._alive[0].genotype) for proposal in back} == {1}


def test_one_of_several_workers_goes_on_from_a_broken_child(problem):
    problem.space.decisions = {f"d{i}": ("0", "1", "2", "3") for i in range(40)}
    goal = replace(problem.goal, constraints=(Constraint("params", 0.5),))
    strategy = Evolution(replace(problem, goal=goal), population=3, tournament=3)
    founder = strategy.ask(1)[0].genotype
    good = Trial(0, founder, 1.0, {"params": 0.0, "accuracy": 1.0})
    strategy.tell([good, good, good])
    broken = strategy.ask(1)[0].genotype
    strategy.tell([Trial(1, broken, 1.0, {"params": 9.0}, infeasible="params")])
    further, child = (proposal.genotype for proposal in strategy.ask(2))
    assert differ(broken, further) == 1 and differ(founder, child) == 1
    assert differ(founder, further) == 2  # by this seed: in another place


def test_a_failed_child_is_not_mutated_further(problem):
    strategy = Evolution(problem, population=1, tournament=1)
    founder = strategy.ask(1)[0].genotype
    told(strategy, [founder], [1.0])
    child = strategy.ask(1)[0].genotype
    strategy.tell([Trial(1, child, 1.0, {}, error="lost")])
    assert strategy._astray is None


def test_finds_the_one_genotype_in_thousands_that_keeps_a_constraint(problem):
    """4^7 = 16,384 genotypes; only 0000000 costs nothing."""
    problem.space.decisions = {f"d{i}": ("0", "1", "2", "3") for i in range(7)}
    goal = replace(problem.goal, constraints=(Constraint("params", 0.5),))
    for seed in range(5):
        strategy = Evolution(replace(problem, goal=goal, seed=seed), population=20, tournament=5)
        for number in range(1000):
            genotype = strategy.ask(1)[0].genotype
            params = float(sum(map(int, genotype.options)))
            broken = "params" if params > 0.5 else None
            metrics = {"params": params, "accuracy": 1.0}
            strategy.tell([Trial(number, genotype, 1.0, metrics, infeasible=broken)])
            if not broken:
                break
        assert number < 999


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
        ({"crossover": 1.5}, "crossover is 1.5; it must be from 0 to 1"),
        ({"population": 0}, "population is 0; it must be at least 1"),
        ({"population": 5, "tournament": 6}, "tournament is 6; it must be from 1 to population=5"),
    ],
)
def test_sizes_that_make_no_sense_are_faults(problem, options, says):
    with pytest.raises(Fault, match=says):
        Evolution(problem, **options)
