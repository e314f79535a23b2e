import random
import statistics
from dataclasses import replace

import pytest
from fixtures import ToySpace

from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Goal
from nascli.core.traits import traits_of
from nascli.core.trial import Trial
from nascli.strategies.asha import ASHA
from nascli.strategies.bohb import BOHB, Model, density
from nascli.strategies.hyperband import Hyperband


@pytest.fixture
def large(problem):
    return replace(problem, space=ToySpace(decisions=dict.fromkeys("abcdef", tuple("01234"))))


def test_it_trains_at_several_fidelities_and_says_so():
    """Else it were not refused beside an estimator that answers the same at each."""
    assert all(traits_of(each).several_fidelities for each in (BOHB, Hyperband, ASHA))


def accuracy(genotype):
    return float(sum(map(int, genotype.options)))


def searched(strategy, count):
    """The best accuracy among the full trainings of `count` trials."""
    best = 0.0
    for number in range(count):
        (proposal,) = strategy.ask(1)
        reached = accuracy(proposal.genotype)
        strategy.tell([Trial(number, proposal.genotype, proposal.fidelity, {"accuracy": reached})])
        best = max(best, reached if proposal.fidelity == 1 else 0.0)
    return best


@pytest.mark.parametrize("counts", [(0, 0, 0), (4, 0, 1), (7, 2)])
def test_the_density_is_the_mean_of_aitchison_aitken_kernels(counts):
    points = [option for option, count in enumerate(counts) for _ in range(count)]
    n, k = len(points), len(counts)
    h = (k - 1) / (n + k)
    for option in range(k):
        kernels = [1 - h if point == option else h / (k - 1) for point in points]
        expected = statistics.mean(kernels) if kernels else 1 / k
        assert density(counts)[option] == pytest.approx(expected)


def model(entries, decisions=3):
    made = Model(tuple([("0", "1")] * decisions), 0.15)
    for order, (violation, loss) in enumerate(entries):
        made.add((violation, loss, order, ("0",) * decisions))
    return made


def test_a_model_needs_two_trials_more_than_its_groups():
    few = [(0.0, float(n)) for n in range(5)]
    assert not model(few).ready  # N_min = 3 + 1, and 2 more
    assert model([*few, (0.0, 9.0)]).ready


def test_groups_are_shares_with_a_least_size():
    order = lambda group: [entry[2] for entry in group]  # noqa: E731
    good, bad = model([(0.0, float(n)) for n in range(6)]).groups()
    assert order(good) == [0, 1, 2, 3] and order(bad) == [2, 3, 4, 5]
    good, bad = model([(0.0, float(n)) for n in range(100)]).groups()
    assert order(good) == list(range(15)) and order(bad) == list(range(15, 100))


def test_good_ones_are_feasible_as_soon_as_there_are_enough():
    inf = float("inf")
    broken = [(1.0 + n, inf) for n in range(100)]
    good, _ = model([*broken, (0.0, 3.0)]).groups()
    assert [entry[0] for entry in good] == [0.0, 1.0, 2.0, 3.0]  # the nearest ones stand in
    good, bad = model([*broken, *((0.0, float(n)) for n in range(39))]).groups()
    assert [entry[1] for entry in good] == [0.0, 1.0, 2.0, 3.0, 4.0]  # 15 % of 39, rounded down
    assert len(bad) == 134


def test_proposes_the_largest_quotient_of_the_densities():
    made = Model((("0", "1"), ("0", "1", "2")), 0.5)
    for order in range(12):
        options = ("1", "2") if order < 6 else ("0", str(order % 2))
        made.add((0.0, float(order), order, options))
    best = list(made.propose(random.Random(0), 500))
    # l / g by hand: 6 good and 6 bad ones; (6 + 1) / (0 + 1) for either option of the good
    assert best[0] == ("1", "2")
    assert best[-1][0] == "0" and best[-1][1] != "2"
    assert len(best) == len(set(best)) == 6


def test_the_model_is_that_of_the_highest_fidelity_with_enough_trials(large):
    strategy = BOHB(large, fidelities=[0.1, 1.0], random_fraction=0.0)
    used = []
    for fidelity, made in strategy._models.items():
        made.propose = lambda rng, count, f=fidelity: used.append(f) or []
    searched(strategy, 8)
    assert not used  # 6 decisions: 9 trials
    searched(strategy, 4)
    assert set(used) == {0.1}
    searched(strategy, 80)
    assert used[-1] == 1.0


def test_finds_more_than_uniform_draws(large):
    best = {
        kind: statistics.mean(
            searched(kind(replace(large, seed=seed), fidelities=[0.1, 1.0]), 120)
            for seed in range(8)
        )
        for kind in (Hyperband, BOHB)
    }
    assert best[BOHB] > best[Hyperband] + 1


def test_finds_its_way_into_a_narrow_constraint(large):
    """210 of 15,625 genotypes keep the sum at most 4, 4 of 300 draws; the violation leads there."""
    bounded = replace(large, goal=Goal(constraints=(Constraint("params", 4.0),)))
    strategy, kept = BOHB(bounded), 0
    for number in range(300):
        (proposal,) = strategy.ask(1)
        metrics = {"params": accuracy(proposal.genotype), "accuracy": 1.0}
        broken = bounded.goal.broken(metrics)
        kept += broken is None
        trial = Trial(number, proposal.genotype, proposal.fidelity, metrics, infeasible=broken)
        strategy.tell([trial])
    assert kept > 30


def test_goes_on_after_its_state_with_proposals_under_way(large):
    strategy, again = BOHB(large), BOHB(large)
    waiting = list(strategy.ask(4))

    def told(proposal, number):
        metrics = {"accuracy": accuracy(proposal.genotype)}
        return [Trial(number, proposal.genotype, proposal.fidelity, metrics)]

    for number in range(30):
        strategy.tell(told(waiting.pop(0), number))
        waiting += strategy.ask(1)
    again.load_state_dict(strategy.state_dict())
    for number in range(30, 60):
        last = told(waiting.pop(0), number)
        strategy.tell(last)
        again.tell(last)
        new = strategy.ask(1)
        assert again.ask(1) == new
        waiting += new


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"random_fraction": 1.5}, "random_fraction is 1.5; it must be from 0 to 1"),
        ({"good_fraction": 0.0}, "good_fraction is 0.0; it must be above 0 and below 1"),
        ({"candidates": 0}, "candidates is 0; it must be at least 1"),
    ],
)
def test_shares_that_make_no_sense_are_faults(problem, options, says):
    with pytest.raises(Fault, match=says):
        BOHB(problem, **options)
