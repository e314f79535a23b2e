import math
import random
from dataclasses import replace

import pytest
from fixtures import ToySpace

from nascli.core import space as moves
from nascli.core.trial import Trial
from nascli.strategies.asha import ASHA


@pytest.fixture
def large(problem):
    digits = tuple("0123456")
    return replace(problem, space=ToySpace(decisions=dict.fromkeys("abcd", digits)))


def trial(proposal, number, **outcome):
    accuracy = random.Random(f"{proposal.genotype}/{proposal.fidelity}").random()
    return Trial(number, proposal.genotype, proposal.fidelity, {"accuracy": accuracy}, **outcome)


def get_job(rungs, promoted, top, reduction):
    """The promotion of Algorithm 2, by sorting: (genotype, its new rung), or None."""
    for k in range(top - 1, -1, -1):
        best = sorted(rungs[k], key=rungs[k].get)[: len(rungs[k]) // reduction]
        candidates = [g for g in best if g not in promoted[k] and rungs[k][g] < math.inf]
        if candidates:
            promoted[k].add(candidates[0])
            return candidates[0], k + 1
    return None


@pytest.mark.parametrize(("workers", "failing"), [(1, 0), (7, 0), (3, 5)])
def test_takes_the_steps_of_algorithm_2(large, workers, failing):
    strategy = ASHA(large, reduction=3, lowest=1 / 9)
    levels = [1 / 9, 1 / 3, 1.0]
    rungs, promoted, open_ = [{}, {}, {}], [set(), set(), set()], []
    rng, climbed = random.Random(workers), 0
    for number in range(400):
        while len(open_) < workers:
            (proposal,) = strategy.ask(1)
            expected = get_job(rungs, promoted, 2, 3)
            if expected:
                climbed += 1
                assert (proposal.genotype, proposal.fidelity) == (
                    expected[0],
                    pytest.approx(levels[expected[1]]),
                )
            else:
                assert proposal.fidelity == pytest.approx(levels[0])
            open_.append(proposal)
        proposal = open_.pop(rng.randrange(workers))
        failed = failing and number % failing == 0
        told = trial(proposal, number, **({"error": "lost"} if failed else {}))
        strategy.tell([told])
        level = min(range(3), key=lambda k: abs(levels[k] - proposal.fidelity))
        rungs[level][proposal.genotype] = large.goal.loss(told)
    assert climbed > 60


def test_given_rungs_promote_by_their_quotient(large):
    """6 of 100, and those that were among the best only for a time: about sqrt(n) (section 3.3)."""
    strategy = ASHA(large, fidelities=[0.06, 1.0])
    count = {0.06: 0, 1.0: 0}
    for number in range(500):
        (proposal,) = strategy.ask(1)
        count[proposal.fidelity] += 1
        strategy.tell([trial(proposal, number)])
    least = 0.06 * count[0.06]
    assert least - 1 < count[1.0] < least + math.sqrt(count[0.06])


def test_infeasible_trials_enter_no_rung(large):
    strategy = ASHA(large, reduction=2, lowest=0.5)
    asked = []
    for number in range(8):
        asked += strategy.ask(1)
        strategy.tell([trial(asked[-1], number, infeasible="params")])
    assert {proposal.fidelity for proposal in asked} == {0.5}
    assert len({proposal.genotype for proposal in asked}) == 8
    assert not any(rung.ended for rung in strategy._rungs)


@pytest.mark.parametrize("workers", [1, 4])
def test_ends_when_the_whole_space_is_trained_in_full(problem, workers):
    strategy, open_, told = ASHA(problem, reduction=3, lowest=1 / 9), [], []
    while True:
        open_ += strategy.ask(workers - len(open_))
        if not open_:
            break
        told.append(open_.pop(0))
        strategy.tell([trial(told[-1], len(told))])
    every = {moves.at(problem.space, n) for n in range(12)}
    assert {p.genotype for p in told if p.fidelity == 1} == every
    assert len(told) == 3 * 12


def test_goes_on_after_its_state_with_proposals_under_way(large):
    strategy, again = ASHA(large), ASHA(large)
    waiting = list(strategy.ask(4))
    for number in range(30):
        strategy.tell([trial(waiting.pop(0), number)])
        waiting += strategy.ask(1)
    again.load_state_dict(strategy.state_dict())
    for number in range(30, 80):
        told = [trial(waiting.pop(0), number)]
        strategy.tell(told)
        again.tell(told)
        new = strategy.ask(1)
        assert again.ask(1) == new
        waiting += new


def test_the_highest_promotion_goes_first(large):
    """Algorithm 2, get_job: for k = top - 1, ..., 0."""
    strategy = ASHA(large, reduction=2, lowest=0.25)
    low, middle = range(4), range(4, 8)
    for share, numbers in ((0.25, low), (0.5, middle)):
        for number in numbers:
            genotype = moves.at(large.space, number)
            strategy.tell([Trial(number, genotype, share, {"accuracy": float(number)})])
    first, second, third = strategy.ask(3)
    assert (first.genotype, first.fidelity) == (moves.at(large.space, 7), 1.0)
    assert (second.genotype, second.fidelity) == (moves.at(large.space, 6), 1.0)
    assert (third.genotype, third.fidelity) == (moves.at(large.space, 3), 0.5)
