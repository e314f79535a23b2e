import json

import pytest

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.trial import Trial
from nascli.strategies.local_search import LocalSearch


@pytest.fixture
def hills(problem):
    problem.space.decisions = {f"d{i}": tuple(map(str, range(4))) for i in range(5)}
    return problem


def height(genotype):
    """One hill: the sum of the digits."""
    return float(sum(map(int, genotype.options)))


def step(strategy, number, score):
    (proposal,) = strategy.ask(1)
    trial = Trial(number, proposal.genotype, 1.0, {"accuracy": score(proposal.genotype)})
    strategy.tell([trial])
    return proposal.genotype


def test_first_improvement_as_written_out(hills):
    """A plain climb over the same draws: shuffled new neighbours, go to the first better one."""
    strategy = LocalSearch(hills)
    rng = type(strategy._rng)("0/local_search")
    expected = []
    here = moves.sample(hills.space, rng)
    expected.append(here)
    climbing = True
    while climbing and len(expected) < 60:
        around = [near for near in moves.neighbours(hills.space, here) if near not in expected]
        rng.shuffle(around)
        climbing = False
        for genotype in reversed(around):
            expected.append(genotype)
            if height(genotype) > height(here):
                here, climbing = genotype, True
                break
    seen = [step(strategy, n, height) for n in range(len(expected))]
    assert seen == expected


def test_best_neighbour_tries_all_before_it_moves(hills):
    strategy = LocalSearch(hills, move="best")
    start = step(strategy, 0, height)
    around = [step(strategy, n + 1, height) for n in range(15)]
    assert sorted(map(str, around)) == sorted(map(str, moves.neighbours(hills.space, start)))
    best = max(around, key=height)
    after = step(strategy, 16, height)
    assert after in set(moves.neighbours(hills.space, best))


@pytest.mark.parametrize("move", ["first", "best"])
def test_reaches_the_top_of_one_hill_and_starts_anew(hills, move):
    strategy = LocalSearch(hills, move=move)
    seen = [step(strategy, n, height) for n in range(400)]
    top = seen.index(moves.at(hills.space, 4**5 - 1))
    assert min(map(height, seen[top + 16 :])) < 10  # 15 is the top, its neighbours have 12 to 14


def test_trials_in_flight_while_it_moves(hills):
    strategy = LocalSearch(hills)
    step(strategy, 0, height)
    batch = strategy.ask(4)
    trials = [
        Trial(n, p.genotype, 1.0, {"accuracy": height(p.genotype)}) for n, p in enumerate(batch)
    ]
    strategy.tell(trials[:2])
    strategy.tell(trials[2:])
    best = min((strategy._rank, *((0.0, -height(p.genotype)) for p in batch)))
    assert strategy._rank == best
    assert strategy._open == 0


def test_failures_end_a_climb_and_not_the_search(hills):
    strategy = LocalSearch(hills)
    for number in range(40):
        (proposal,) = strategy.ask(1)
        strategy.tell([Trial(number, proposal.genotype, 1.0, error="lost")])


def test_an_unknown_move_is_a_fault(problem):
    with pytest.raises(Fault, match="move 'worst' is not known; allowed: best, first"):
        LocalSearch(problem, move="worst")


def test_a_known_worse_neighbour_is_left_out(hills):
    strategy = LocalSearch(hills)
    first = strategy.ask(1)[0].genotype
    around = list(moves.neighbours(hills.space, first))
    strategy._known[around[0]] = (0.0, 99.0)
    strategy.tell([Trial(0, first, 1.0, {"accuracy": 1.0})])
    assert {p.genotype for p in strategy.ask(100)} == set(around[1:])


def test_the_next_climb_starts_near_the_best_summit(hills):
    strategy = LocalSearch(hills, kick=1)
    top = moves.at(hills.space, 4**5 - 1)
    number = 0
    while step(strategy, number, height) != top:
        number += 1
    for _ in range(
        15 - len([g for g in moves.neighbours(hills.space, top) if g in strategy._known])
    ):
        number += 1
        step(strategy, number, height)
    assert strategy._untried == []
    strategy._known = {}  # else all that is one change away from the top is known
    assert strategy.ask(1)[0].genotype in set(moves.neighbours(hills.space, top))


@pytest.mark.parametrize("move", ["first", "best"])
@pytest.mark.parametrize("stop", [0, 1, 9, 40, 90])
def test_goes_on_from_its_state_whatever_the_climb(hills, move, stop):
    """One goes on, one is made anew from the state, as JSON keeps it."""

    def rough(genotype):  # several summits
        a, b, c, _, _ = map(int, genotype.options)
        return float((a * 7 + b * 5 + c * 3) % 11)

    whole = LocalSearch(hills, move=move)
    for number in range(stop):
        step(whole, number, rough)
    again = LocalSearch(hills, move=move)
    again.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    after = [[step(one, n, rough) for n in range(stop, stop + 80)] for one in (whole, again)]
    assert after[0] == after[1]
    assert whole.state_dict() == again.state_dict()


def test_a_kick_that_makes_no_sense_is_a_fault(hills):
    with pytest.raises(Fault, match="kick is -1; it must be at least 0"):
        LocalSearch(hills, kick=-1)


def test_a_climb_that_ends_lower_does_not_move_the_next_start(hills):
    """Lourenco et al.: kicks lead away from the best summit, wherever the last climb has ended."""
    strategy = LocalSearch(hills, kick=1)
    summit, here = moves.at(hills.space, 4**5 - 1), moves.at(hills.space, 0)
    for place, rank in ((summit, (0.0, -15.0)), (here, (0.0, -3.0))):
        strategy._here, strategy._rank, strategy._untried, strategy._open = place, rank, [], 0
        start = strategy.ask(1)[0].genotype
        strategy._open = 0
        assert start in set(moves.neighbours(hills.space, summit))
