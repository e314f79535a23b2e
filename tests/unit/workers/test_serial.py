"""Proposals that are evaluated together, against one after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from fixtures import ToySpace, ToyTask

from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Goal, Objective
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.space import at
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.strategies.random import Random
from nascli.workers.serial import Serial

SPACE = ToySpace()
GOAL = Goal((Objective("accuracy", "max"),), (Constraint("cost", 5.0),))


class Costs:
    metrics = ("cost",)
    meaning = ""
    traits = Traits()

    def __init__(self):
        self.asked = []

    def estimate(self, proposal):
        self.asked.append(proposal.genotype)
        if proposal.genotype == at(SPACE, 9):
            raise ArithmeticError("no cost")
        return {"cost": float(sum(map(int, proposal.genotype.options)) * 2)}


@dataclass
class Scores:
    """Answers in hundreds of what a genotype's digits sum to; keeps what it is asked together."""

    at_once: int = 4
    broken: int | None = None
    fault: bool = False
    asked: list = field(default_factory=list)
    metrics = ("accuracy",)
    meaning = ""

    @property
    def traits(self):
        return Traits(at_once=self.at_once)

    def estimate(self, proposal):
        self.asked.append(1)
        return self._of(proposal)

    def estimate_all(self, proposals):
        self.asked.append(len(proposals))
        return [self._of(proposal) for proposal in proposals]

    def _of(self, proposal):
        if self.fault:
            raise Fault("wrong")
        if self.broken is not None and proposal.genotype == at(SPACE, self.broken):
            raise LookupError("lost")
        return {"accuracy": 100.0 * sum(map(int, proposal.genotype.options))}


def serial(scores, on_error=lambda *_: None):
    problem = Problem(space=SPACE, task=ToyTask(), recipe=None, goal=GOAL)
    evaluation = Evaluation(problem, [Costs(), scores], on_error)
    return Serial(lambda: evaluation)


def ended(workers, numbers):
    for number in numbers:
        workers.submit(number, Proposal(at(SPACE, number)))
    trials = []
    while workers.busy:
        trials += workers.wait()
    return trials


def known(trials):
    return [(t.number, t.genotype, t.metrics, t.infeasible, t.error) for t in trials]


def test_what_is_evaluated_together_is_what_it_is_alone():
    together, alone = Scores(), Scores(at_once=1)
    workers = serial(together)
    assert (workers.capacity, serial(alone).capacity) == (4, 1)
    found = ended(workers, range(12))
    assert known(found) == known(ended(serial(alone), range(12)))
    costly = [n for n in range(12) if 2 * sum(map(int, at(SPACE, n).options)) > 5 and n != 9]
    assert [t.number for t in found if t.infeasible] == costly and 0 < len(costly) < 9
    assert [t.number for t in found if t.error] == [9]
    feasible = sum(t.infeasible is None and t.error is None for t in found)
    assert together.asked == [feasible]  # those that break a constraint or fail are not asked about
    assert alone.asked == [1] * feasible
    assert all(trial.seconds > 0 for trial in found)


def test_costs_of_what_is_evaluated_together_are_asked_once():
    """A device times a network for up to a second; what fails is asked again, to say how."""
    costs = Costs()
    problem = Problem(space=SPACE, task=ToyTask(), recipe=None, goal=GOAL)
    evaluation = Evaluation(problem, [costs, Scores()])
    found = ended(Serial(lambda: evaluation), range(12))
    assert sorted(map(costs.asked.count, [trial.genotype for trial in found])) == [1] * 11 + [2]


def test_one_that_fails_fails_alone():
    failed = []
    scores = Scores(broken=2)
    found = ended(serial(scores, lambda number, _error: failed.append(number)), range(4))
    assert [t.error for t in found] == [None, None, "LookupError: lost", None]
    assert scores.asked == [4, 1, 1, 1, 1]
    assert 2 in failed


def test_a_fault_passes():
    with pytest.raises(Fault, match="wrong"):
        ended(serial(Scores(fault=True)), range(3))


def test_what_evaluates_anything_else_does_it_one_by_one():
    workers = Serial(lambda: lambda number, proposal: number)
    assert workers.capacity == 1
    assert ended_plain(workers) == [0, 1]


def ended_plain(workers):
    for number in range(2):
        workers.submit(number, Proposal(at(SPACE, number)))
    return [*workers.wait(), *workers.wait()]


def test_a_search_asks_for_as_many_and_keeps_its_budget():
    scores = Scores()
    workers = serial(scores)
    problem = workers._evaluate.problem
    search = Search(Random(problem), workers._evaluate, workers, Budget(trials=7))
    assert search.run(lambda _trial: None) is not None
    assert search.budget.used <= 7
    assert max(scores.asked) > 1 and sum(scores.asked) <= 7
