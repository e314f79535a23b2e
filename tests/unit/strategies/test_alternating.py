from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from elastic import chain
from fixtures import Looks

from nascli.core.budget import OutOfTime
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import at
from nascli.core.trial import History, Proposal, Trial
from nascli.data.synthetic import Synthetic
from nascli.strategies.alternating import Alternating
from nascli.strategies.reinforce import Reinforce
from nascli.supernet.shared import Shared
from nascli.training.recipe import Recipe

RECIPE = Recipe(epochs=2, batch_size=40, learning_rate=0.1)
SPACE = chain()


def problem():
    task = Synthetic(images=160, size=8)  # 128 train, three steps
    return Problem(space=SPACE, task=task, recipe=RECIPE)


class Counting:
    """A strategy that walks the space; says what it was asked and told."""

    def __init__(self, _problem):
        self.asked, self.told = 0, []

    def ask(self, limit):
        self.asked += 1
        return [Proposal(at(SPACE, self.asked % 27))]

    def tell(self, trials):
        self.told += trials

    def state_dict(self):
        return {"asked": self.asked}

    def load_state_dict(self, state):
        self.asked = state["asked"]


def made(of=Counting, stated=None, **settings):
    stated = stated or problem()
    shared = Shared(stated)
    strategies = []
    build = lambda p: strategies.append(of(p)) or strategies[-1]  # noqa: E731
    return Alternating(stated, shared, build, **settings), shared, strategies[0]


def weights(shared):
    return torch.cat([p.detach().flatten() for p in shared.supernet.parameters()]).clone()


def steps_an_epoch(stated):
    return len(stated.task.split("train")) // RECIPE.batch_size


def test_weights_are_trained_on_what_the_strategy_draws_before_every_round():
    alternating, shared, strategy = made(trials=3)
    steps = steps_an_epoch(problem())
    trained, seen = weights(shared), []
    while proposals := alternating.ask(1):
        seen.append(strategy.asked)
        now = weights(shared)
        assert torch.equal(now, trained) == (len(seen) % 3 != 1)  # trained before the first of each
        trained = now
        told = Trial(len(seen) - 1, proposals[0].genotype, 1.0, {"accuracy": 1.0})
        alternating.tell([told])
    first, second = steps, 2 * steps + 3
    assert seen == [*range(first + 1, first + 4), *range(second + 1, second + 4)]
    assert [trial.number for trial in strategy.told] == list(range(6))
    assert alternating.traits.trials == 6 and alternating.traits.weight_sharing
    assert alternating.ask(0) == ()
    assert alternating.effort()["search_epoch_seconds"] > 0


def test_the_answer_is_of_the_last_round_with_a_good_trial():
    alternating, *_ = made(trials=2)

    def trial(number, accuracy, **others):
        return Trial(number, at(SPACE, number), 1.0, {"accuracy": accuracy}, **others)

    history = [trial(0, 90.0), trial(1, 80.0), trial(2, 30.0), trial(3, 40.0)]
    assert alternating.recommend(History(history[:2])) == at(SPACE, 0)
    assert alternating.recommend(History(history)) == at(SPACE, 3)
    history[2:] = [trial(2, 30.0, error="lost"), trial(3, 99.0, infeasible="params")]
    assert alternating.recommend(History(history)) == at(SPACE, 0)
    assert alternating.recommend(History()) is None


def walk(alternating, count):
    found = []
    for number in range(count):
        (proposal,) = alternating.ask(1)
        found.append(proposal.genotype)
        accuracy = float(sum(map(ord, "".join(proposal.genotype.options))) % 97)
        alternating.tell([Trial(number, proposal.genotype, 1.0, {"accuracy": accuracy})])
    return found


@pytest.mark.parametrize("steps", [1, 5])
def test_an_epoch_that_is_cut_goes_on_at_that_step(steps):
    """So many steps at a time, each time in a new search."""
    whole, shared, _ = made(Reinforce, trials=8)
    expected = walk(whole, 16)
    found, state = [], None
    for _ in range(20):
        cut = replace(problem(), budget=Looks(steps))
        again, other, _ = made(Reinforce, cut, trials=8)
        if state is not None:
            again.load_state_dict(copy.deepcopy(state))
        try:
            while len(found) < 16:
                found += walk(again, 1)
            break
        except OutOfTime:
            state = again.state_dict()
    assert found == expected
    assert torch.equal(weights(shared), weights(other))


def test_it_goes_on_in_the_middle_of_a_round():
    whole, *_ = made(Reinforce, trials=4)
    expected = walk(whole, 8)
    first, *_ = made(Reinforce, trials=4)
    found = walk(first, 3)
    again, *_ = made(Reinforce, trials=4)
    again.load_state_dict(copy.deepcopy(first.state_dict()))
    assert found + walk(again, 5) == expected
    assert again.ask(1) == ()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(Fault, match="strategy.trials is 0; it must be at least 1"):
        made(trials=0)

    class Ended(Counting):
        def ask(self, limit):
            return ()

    with pytest.raises(Fault, match="strategy.of has ended in the middle of a training"):
        made(Ended)[0].ask(1)
