import random
from dataclasses import replace

from nascli.core.trial import Trial
from nascli.strategies.hyperband import Hyperband


def told(strategy, proposals, start=0):
    for number, proposal in enumerate(proposals, start):
        accuracy = random.Random(str(proposal.genotype)).random()
        trial = Trial(number, proposal.genotype, proposal.fidelity, {"accuracy": accuracy})
        strategy.tell([trial])


def test_the_first_bracket_halves_its_way_up(problem):
    strategy = Hyperband(problem)  # 1/9, 1/3, 1: 9 draws, 3 go on, 1 is trained in full
    asked = []
    for number in range(13):
        asked += strategy.ask(1)
        told(strategy, asked[-1:], number)
    assert [round(9 * proposal.fidelity) for proposal in asked] == [1] * 9 + [3] * 3 + [9]
    assert asked[12].genotype in {proposal.genotype for proposal in asked[9:12]}


def test_the_full_training_is_that_of_the_search(problem):
    problem = replace(problem, fidelity=0.5)
    assert Hyperband(problem, fidelities=[0.06, 0.5])._brackets._rungs == (0.06, 0.5)


def test_goes_on_after_its_state_with_proposals_under_way(problem):
    strategy, again = Hyperband(problem), Hyperband(problem)
    waiting = list(strategy.ask(4))
    for number in range(9):
        told(strategy, [waiting.pop(0)], number)
        waiting += strategy.ask(1)
    again.load_state_dict(strategy.state_dict())
    for number in range(9, 20):
        told(strategy, waiting[:1], number)
        told(again, waiting[:1], number)
        del waiting[0]
        new = strategy.ask(2)
        assert again.ask(2) == new
        waiting += new
