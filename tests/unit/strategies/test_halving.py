import math
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fixtures import ToySpace

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.trial import Trial
from nascli.strategies.halving import Brackets, bracket_sizes, draw, rungs

R81 = tuple(3.0**k / 81 for k in range(5))  # R = 81, eta = 3: 1, 3, 9, 27, 81 of 81


@pytest.fixture
def large(problem):
    digits = tuple("0123456")
    return replace(problem, space=ToySpace(decisions=dict.fromkeys("abcd", digits)))


def loss(genotype):
    """Any fixed order of the genotypes, without ties in practice."""
    return random.Random("".join(genotype.options)).random()


def ended(proposal, number=0, **outcome):
    metrics = {"accuracy": -loss(proposal.genotype)}
    return Trial(number, proposal.genotype, proposal.fidelity, metrics, **outcome)


def test_rungs_fall_by_the_reduction_to_the_lowest(problem):
    assert rungs(problem, 3, 0.06, None) == pytest.approx([1 / 9, 1 / 3, 1])
    assert rungs(problem, 3, 1 / 81, None) == pytest.approx(R81)  # 81 = 3^4, whatever log() says
    half = replace(problem, fidelity=0.5)
    assert rungs(half, 4, 0.06, None) == pytest.approx([0.125, 0.5])


def test_rungs_of_the_same_whole_epochs_are_one(problem):
    # 1/27, 1/9, 1/3, 1 of 4 epochs are at least one epoch: 1, 1, 1, 4
    four = replace(problem, recipe=SimpleNamespace(epochs=4))
    assert rungs(four, 3, 1 / 27, None) == pytest.approx([1 / 4, 1])  # one epoch of four


def test_rungs_can_be_given(problem):
    assert rungs(problem, 3, 0.5, [0.06, 1.0]) == (0.06, 1.0)


def test_rungs_of_an_estimator_with_few_fidelities_are_those(problem):
    quick = replace(problem, recipe=SimpleNamespace(epochs=4))  # whose epochs no table trains
    table = replace(quick, fidelities=(0.06, 1.0))
    assert rungs(table, 4, 0.06, "auto") == (0.06, 1.0)
    assert rungs(replace(table, fidelity=0.06), 4, 0.06, "auto") == (0.06,)
    assert rungs(table, 4, 0.06, None) == (0.25, 1.0)  # what earlier versions have recorded
    assert rungs(quick, 4, 0.06, "auto") == (0.25, 1.0)
    with pytest.raises(Fault, match="fidelities 'all' is not known"):
        rungs(table, 4, 0.06, "all")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((1, 0.06, None), "reduction is 1; it must be above 1"),
        ((3, 2.0, None), "lowest is 2.0; it must be above 0 and at most fidelity=1"),
        ((3, 0.0, None), "lowest is 0.0; it must be above 0"),
        ((3, 0.06, []), r"fidelities is \[\]; it must rise from above 0 to fidelity=1"),
        ((3, 0.06, [0.1, 0.5]), r"fidelities is \[0.1, 0.5\]; it must rise"),
        ((3, 0.06, [0.5, 0.1, 1.0]), "it must rise"),
    ],
)
def test_rungs_that_make_no_sense_are_faults(problem, given, says):
    with pytest.raises(Fault, match=says):
        rungs(problem, *given)


def test_bracket_sizes_are_those_of_algorithm_1():
    # R = 81, eta = 3, worked out by hand: n = 81, ceil(5/4 * 27), ceil(5/3 * 9), ceil(5/2 * 3), 5.
    # The paper's Table 1 has the first and last column alike; its n = 27, 9, 6 in between come from
    # (s_max + 1) / (s + 1) rounded down.
    assert bracket_sizes(R81) == [[81, 27, 9, 3, 1], [34, 11, 3, 1], [15, 5, 1], [8, 2], [5]]
    # every bracket spends about, and at most, B = (s_max + 1) * R
    for start, sizes in enumerate(bracket_sizes(R81)):
        spent = sum(n * f for n, f in zip(sizes, R81[start:], strict=True))
        assert 4 < spent <= 5 + 1e-9


def test_bracket_sizes_of_given_rungs_use_their_quotient():
    # eta = 1 / 0.06 = 16.67: n = ceil(2 / 2 * 16.67) = 17, then 17 * 0.06 = 1.02; n = 2 / 1
    assert bracket_sizes((0.06, 1.0)) == [[17, 1], [2]]


def test_draws_never_repeat_and_reach_all(toy):
    seen = {}
    while (genotype := draw(toy, random.Random(len(seen)), seen)) is not None:
        assert genotype not in seen
        seen[genotype] = None
    assert len(seen) == moves.size(toy) == 12


def algorithm_1(numbers, fidelities, reduction, at):
    """One round of Hyperband as the paper writes it, with a list of draws in place of chance."""
    s_max = len(fidelities) - 1
    for s in range(s_max, -1, -1):
        n = math.ceil((s_max + 1) * reduction**s / (s + 1))
        configurations = [at(numbers.pop(0)) for _ in range(n)]
        for i in range(s + 1):
            n_i = n // reduction**i
            for configuration in configurations:
                yield configuration, fidelities[s_max - s + i]
            configurations = sorted(configurations, key=loss)[: n_i // reduction]


def test_one_worker_takes_the_steps_of_algorithm_1(large):
    numbers = random.Random(0).sample(range(7**4), 200)
    expected = list(algorithm_1(numbers[:], R81, 3, lambda n: moves.at(large.space, n)))
    brackets = Brackets(large, R81, lambda _level: moves.at(large.space, numbers.pop(0)))
    for genotype, fidelity in expected:
        (proposal,) = brackets.ask(1)
        assert (proposal.genotype, proposal.fidelity) == (genotype, fidelity)
        brackets.tell(ended(proposal))
    assert brackets.ask(1)[0].fidelity == R81[0]  # and round again


def uniform(problem, seed=0):
    rng = random.Random(seed)
    made = Brackets(problem, R81[2:], lambda level: draw(problem.space, rng, made.seen[level]))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_a_rung_waits_for_its_stragglers_while_the_workers_go_on(large, seed):
    """Any order of answers: all workers have work, and each bracket promotes its best."""
    brackets, rng, open_ = uniform(large), random.Random(seed), []
    for _ in range(600):
        open_ += brackets.ask(8 - len(open_))
        assert len(open_) == 8
        brackets.tell(ended(open_.pop(rng.randrange(8))))
        for bracket in brackets._active:
            if bracket.level > bracket.start:  # the rung below was complete: its best are the queue
                taken = [*bracket.open, *(g for _, g in bracket.ended)]
                if bracket.queue and taken:
                    assert max(map(loss, taken)) <= min(map(loss, bracket.queue))


@pytest.mark.parametrize("workers", [1, 5])
def test_ends_when_the_space_is_exhausted(problem, workers):
    brackets, open_, told = uniform(problem), [], []
    while True:
        open_ += brackets.ask(workers - len(open_))
        if not open_:
            break
        told.append(open_.pop(0))
        brackets.tell(ended(told[-1]))
    assert brackets.ask(3) == []
    for fidelity in R81[2:]:
        assert {p.genotype for p in told if p.fidelity == fidelity} == {
            moves.at(problem.space, n) for n in range(12)
        }


def test_failed_are_not_promoted_and_infeasible_are_replaced(large):
    brackets = uniform(large)  # 9 at 1/9, then 3, then 1
    asked = []
    for number in range(9 + 2):
        (proposal,) = brackets.ask(1)
        asked.append(proposal)
        outcome = {2: {"infeasible": "params"}, 3: {"infeasible": "params"}}.get(number, {})
        if number in (4, 5):
            outcome = {"error": "lost"}
        brackets.tell(ended(proposal, number, **outcome))
    assert {p.fidelity for p in asked} == {R81[2]}
    good = [p.genotype for n, p in enumerate(asked) if n not in (2, 3, 4, 5)]
    good.sort(key=loss)
    promoted = []
    for number in range(4):  # the second one turns out infeasible: the fourth best stands in
        (proposal,) = brackets.ask(1)
        assert proposal.fidelity == R81[3]
        promoted.append(proposal.genotype)
        brackets.tell(ended(proposal, 11 + number, **({"infeasible": "x"} if number == 1 else {})))
    assert promoted == good[:4]
    assert brackets.ask(1)[0].fidelity == 1
    assert brackets.ask(1)[0].fidelity == R81[3]  # while that is under way the next bracket begins


def test_a_bracket_of_failures_is_over(large):
    brackets = uniform(large)
    for number in range(9):
        brackets.tell(ended(brackets.ask(1)[0], number, error="lost"))
    assert brackets.ask(1)[0].fidelity == R81[3]
    assert len(brackets._active) == 1
