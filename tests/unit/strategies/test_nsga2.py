"""NSGA-II: survival by fronts, crowding and constraints."""

import math
from dataclasses import replace

import pytest

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Objective
from nascli.core.pareto import nondominated
from nascli.core.trial import History, Trial
from nascli.strategies.nsga2 import NSGA2, _Member


@pytest.fixture
def several(problem):
    both = (Objective("accuracy", "max"), Objective("macs", "min"))
    return replace(problem, goal=replace(problem.goal, objectives=both))


def trial(problem, number, accuracy, macs, infeasible=None):
    metrics = {"accuracy": accuracy, "macs": macs}
    return Trial(number, moves.at(problem.space, number), 1.0, metrics, infeasible=infeasible)


def survivors(strategy):
    return [member.losses for member in strategy._members]


def test_dominated_ones_die_and_the_rest_is_thinned_out(several):
    strategy = NSGA2(several, population=4, offspring=3)
    values = [(50, 1), (60, 2), (70, 3), (90, 5)]
    strategy.tell([trial(several, n, *pair) for n, pair in enumerate(values)])
    assert sorted(survivors(strategy)) == sorted((-float(a), m) for a, m in values)
    # two dominated ones, and (71, 3.1), which crowds (70, 3)
    more = [(40, 1.5), (55, 4), (71, 3.1)]
    strategy.tell([trial(several, 4 + n, *pair) for n, pair in enumerate(more)])
    left = survivors(strategy)
    assert len(left) == 4
    assert (-90, 5) in left and (-50, 1) in left  # the ends of the front
    assert (-40, 1.5) not in left and (-55, 4) not in left
    # (60, 2) has 20/40 + 2/4 between its neighbours, (71, 3.1) too, and (70, 3) 11/40 + 1.1/4
    assert (-70, 3) not in left


def test_constraints_come_before_objectives(several):
    goal = replace(several.goal, constraints=(Constraint("macs", 2.0),))
    several = replace(several, goal=goal)
    strategy = NSGA2(several, population=2, offspring=1)
    trials = [trial(several, 0, 99, 4.0, "macs"), trial(several, 1, 98, 8.0, "macs")]
    strategy.tell(trials)
    strategy.tell([trial(several, 2, 10, 1.0)])
    assert [m.violation for m in strategy._members] == [0.0, 1.0]
    strategy.tell([Trial(3, moves.at(several.space, 3), 1.0, error="lost")])
    assert math.inf not in [m.violation for m in strategy._members]


def test_comes_close_to_the_true_front(several):
    """accuracy is the sum of the digits, macs that of their squares: 4^6 = 4,096 genotypes."""
    several.space.decisions = {f"d{i}": tuple("0123") for i in range(6)}

    def run(genotype, number):
        digits = list(map(int, genotype.options))
        metrics = {"accuracy": float(sum(digits)), "macs": float(sum(d * d for d in digits))}
        return Trial(number, genotype, 1.0, metrics)

    everything = [several.goal.losses(run(moves.at(several.space, n), n)) for n in range(4096)]
    true = {everything[i] for i in nondominated(everything)}
    strategy = NSGA2(several, population=20, offspring=10)
    history = History()
    for number in range(400):
        (proposal,) = strategy.ask(1)
        history.append(run(proposal.genotype, number))
        strategy.tell(history[-1:])
    assert len({t.genotype for t in history}) == 400  # nothing is proposed twice
    found = {several.goal.losses(t) for t in history.front(several.goal)}
    assert len(found & true) >= 0.7 * len(true)


@pytest.mark.parametrize(("mutations", "least", "most"), [(1.0, 1, 1), (2.5, 2, 3)])
def test_a_child_has_so_many_changes_on_average(several, monkeypatch, mutations, least, most):
    calls = []
    monkeypatch.setattr(
        "nascli.strategies.nsga2.mutate", lambda _space, child, _rng: calls.append(child) or child
    )
    strategy = NSGA2(several, population=2, offspring=1, mutations=mutations)
    strategy.tell([trial(several, n, 50 + n, 1 + n) for n in range(2)])
    counts = []
    for _ in range(400):
        calls.clear()
        strategy._child()
        counts.append(len(calls))
    assert (min(counts), max(counts)) == (least, most)
    # of a share of 1/2 in 400: five standard errors
    assert abs(sum(counts) / 400 - mutations) <= 5 * (0.25 / 400) ** 0.5


def test_goes_on_after_its_state(several):
    strategy, again = (NSGA2(several, population=3, offspring=2) for _ in range(2))

    def step(one, number):
        (proposal,) = one.ask(1)
        value = float(sum(map(int, proposal.genotype.options)))
        one.tell([Trial(number, proposal.genotype, 1.0, {"accuracy": value, "macs": value % 3})])
        return proposal

    for number in range(5):
        step(strategy, number)
    again.load_state_dict(strategy.state_dict())
    assert [step(again, n) for n in range(5, 12)] == [step(strategy, n) for n in range(5, 12)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"population": 0}, "population is 0; it must be at least 1"),
        ({"crossover": 2}, "crossover is 2; it must be from 0 to 1"),
        ({"mutations": 0.5}, "mutations is 0.5; it must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_faults(several, options, says):
    with pytest.raises(Fault, match=says):
        NSGA2(several, **options)


def test_tournaments_go_to_the_lower_front_and_then_to_the_less_crowded(several):
    """Deb et al., III-B: of two drawn at random; a lone worse one wins 1 time in 4."""
    strategy = NSGA2(several, population=2)
    good, bad = moves.at(several.space, 0), moves.at(several.space, 1)
    for first, second in (
        (_Member(good, 0.0, (), rank=0, crowding=0.1), _Member(bad, 0.0, (), rank=1, crowding=9.0)),
        (_Member(good, 0.0, (), rank=1, crowding=2.0), _Member(bad, 0.0, (), rank=1, crowding=1.0)),
    ):
        strategy._members = [second, first]
        share = sum(strategy._parent() == good for _ in range(2000)) / 2000
        assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 2000) ** 0.5
