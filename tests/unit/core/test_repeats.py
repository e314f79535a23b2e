"""Proposals that are known already: told to the strategy, counted, and nothing else."""

import random
from dataclasses import replace

import pytest

from nascli.core import space as moves
from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.goal import Constraint
from nascli.core.loop import Search
from nascli.core.traits import Traits
from nascli.core.trial import Proposal


class Learning:
    """Draws from few genotypes; what comes next depends on what it was asked and told."""

    traits = Traits()

    def __init__(self, problem, numbers=12, fidelities=(1.0,)):
        self.problem, self.numbers, self.fidelities = problem, numbers, fidelities
        self.turns = []

    def ask(self, limit):
        assert limit == 1
        rng = random.Random(str((len(self.turns), self.turns[-12:])))
        self.turns.append("asked")
        genotype = moves.at(self.problem.space, rng.randrange(self.numbers))
        return [Proposal(genotype, rng.choice(self.fidelities))]

    def tell(self, trials):
        self.turns += [(t.number, t.genotype.options, t.fidelity, dict(t.metrics)) for t in trials]

    def recommend(self, history):
        return history.answer(self.problem.goal)


class Sum:
    metrics = ("accuracy", "params")

    def __init__(self, traits=None):
        self.traits, self.asked = traits or Traits(by_genotype=True), []

    def estimate(self, proposal):
        self.asked.append((proposal.genotype, proposal.fidelity))
        number = int("".join(proposal.genotype.options))
        return {"accuracy": float(number), "params": float(number)}


class Several:
    """Workers for so many proposals that end the latest first."""

    def __init__(self, evaluate, capacity):
        self.evaluate, self.capacity, self.waiting = evaluate, capacity, []

    def submit(self, number, proposal):
        self.waiting.append((number, proposal))

    def wait(self):
        return [self.evaluate(*self.waiting.pop())]


def search(problem, budget, workers=1, strategy=None, traits=None):
    evaluation = Evaluation(problem, [Sum(traits)])
    strategy = strategy or Learning(problem)
    return Search(strategy, evaluation, Several(evaluation, workers), budget)


def asked(found):
    return found.evaluation.estimators[0].asked


@pytest.mark.parametrize("workers", [1, 3])
def test_a_used_up_space_ends_a_search_and_no_line_is_written_twice(problem, workers):
    found = search(problem, Budget(trials=100, repeats=1000), workers)
    kept = []
    found.run(kept.append)
    genotypes = [trial.genotype for trial in kept]
    assert len(genotypes) == len(set(genotypes)) == len(asked(found)) == 12
    assert found.reason == "all 12 genotypes of the space are known"
    assert found.repeats == found.number - 12 > 0
    told = [turn for turn in found.strategy.turns if turn != "asked"]
    assert sorted(number for number, *_ in told) == list(range(found.number))
    last = dict.fromkeys(str(metrics) for _, _, _, metrics in told)
    assert len(last) == 12  # repeats are told of with what is known


def test_proposing_nothing_new_ends_a_search(problem):
    found = search(problem, Budget(repeats=40), strategy=Learning(problem, numbers=3))
    found.run(lambda _: None)
    assert len(found.history) == 3
    assert found.number == found.history[-1].asked + 40 == found.budget.seen
    assert found.reason == "budget.repeats=40 proposals in a row were known"


def test_a_known_infeasible_genotype_is_not_looked_at_again(problem):
    goal = replace(problem.goal, constraints=(Constraint("params", 1.0),))
    found = search(replace(problem, goal=goal), Budget(trials=100, repeats=1000))
    found.run(lambda _: None)
    assert len(asked(found)) == 12


def test_another_fidelity_is_no_repeat(problem):
    strategy = Learning(problem, numbers=2, fidelities=(0.5, 1.0))
    found = search(problem, Budget(repeats=40), strategy=strategy)
    found.run(lambda _: None)
    assert len(found.history) == 4


@pytest.mark.parametrize("exempt", ["strategy", "estimator"])
def test_what_changes_under_way_is_no_repeat(problem, exempt):
    strategy = Learning(problem, numbers=2)
    if exempt == "strategy":
        strategy.traits = Traits(weight_sharing=True)
    traits = Traits(repeatable=exempt == "strategy")
    found = search(problem, Budget(proposals=30, repeats=5), 2, strategy, traits)
    found.run(lambda _: None)
    assert len(found.history) == 30


def test_the_rule_of_before_writes_every_repeat(problem):
    found = search(problem, Budget(trials=100, proposals=60))
    found.run(lambda _: None)
    assert len(found.history) == 60
    assert len(asked(found)) == 12
    assert found.reason == "budget.proposals=60 is used up"


def test_lines_of_the_rule_before_are_kept_where_the_new_one_is_asked_for(problem):
    before = search(problem, Budget(trials=100, proposals=12))
    before.run(lambda _: None)
    kept = []
    again = search(problem, Budget(trials=100, repeats=1000))
    again.recorded = {trial.number: trial for trial in before.history}
    again.run(kept.append)
    assert list(again.history)[:12] == list(before.history)
    assert len({trial.genotype for trial in before.history}) < 12  # so there is something new
    assert len({trial.genotype for trial in again.history}) == 12
    assert len(again.history) == 12 + len(asked(again))  # and no more than that


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("seed", range(2))
def test_a_resume_takes_the_same_turns(problem, workers, seed):
    def fresh():
        strategy = Learning(problem, numbers=8, fidelities=(0.5, 1.0))
        strategy.turns.append(seed)
        return search(problem, Budget(trials=100, repeats=30), workers, strategy)

    whole, states = fresh(), {}

    def ended(trial):
        waiting = dict(whole.open)
        states[len(whole.history)] = [*whole.strategy.turns], waiting, whole.number

    whole.run(ended)
    assert whole.repeats > 0
    lines = list(whole.history)
    for known in range(len(lines) + 1):
        for told in {0, known}:
            again = fresh()
            again.recorded = {trial.number: trial for trial in lines[told:known]}
            if told:
                turns, waiting, number = states[told]
                again.restore(lines[:told], waiting, number)
                again.strategy.turns = [*turns]
            again.run(lambda _: None)
            strip = [replace(trial, seconds=0.0) for trial in again.history]
            assert strip == [replace(trial, seconds=0.0) for trial in lines]
            assert again.strategy.turns == whole.strategy.turns
            assert (again.number, again.repeats) == (whole.number, whole.repeats)
            assert again.budget.seen == whole.budget.seen
            assert len(asked(again)) == len(lines) - known
