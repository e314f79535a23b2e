import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from nascli.core import space as moves
from nascli.core.budget import Budget, OutOfTime
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.goal import Constraint
from nascli.core.surrogate import normal_scores
from nascli.core.trial import Trial
from nascli.strategies.predictor import Predictor
from nascli.surrogates.gaussian_process import GaussianProcess


@pytest.fixture
def hills(problem):
    problem.space.decisions = {f"d{i}": tuple(map(str, range(4))) for i in range(5)}
    problem.space.canonical = lambda genotype: genotype
    return problem


def height(genotype):
    """One hill: the sum of the digits."""
    return float(sum(map(int, genotype.options)))


def ended(number, genotype, **what):
    metrics = {"accuracy": height(genotype), "params": height(genotype)}
    return Trial(number, genotype, 1.0, metrics, **what)


def run(strategy, count, end=ended):
    seen = []
    for number in range(count):
        (proposal,) = strategy.ask(1)
        strategy.tell([end(number, proposal.genotype)])
        seen.append(proposal.genotype)
    return seen


class Exact:
    """Knows the heights; remembers what it was fitted on and what was pending."""

    def __init__(self, space, seed):
        self.fits, self.pending = [], []

    def fit(self, genotypes, values):
        self.fits.append((list(genotypes), values.tolist()))

    def predict(self, genotypes, pending=()):
        self.pending.append(list(pending))
        return np.array(list(map(height, genotypes))), np.zeros(len(genotypes))

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def made(hills, **keys):
    """A strategy, and its surrogates in the order in which they were built."""
    built = []

    def surrogate(space, seed):
        built.append(Exact(space, seed))
        return built[-1]

    return Predictor(hills, surrogate, **{"initial": 5, "acquisition": "mean", **keys}), built


@pytest.mark.parametrize("whole", [50_000, 0])
def test_no_genotype_is_proposed_twice(hills, whole):
    strategy, _ = made(hills, whole=whole, uniform=50, mutations=50)
    seen = run(strategy, 60)
    assert len(set(seen)) == 60


def test_after_the_random_ones_the_best_prediction_of_the_whole_space(hills):
    strategy, _ = made(hills)
    seen = run(strategy, 25)
    left = sorted(map(height, (moves.at(hills.space, n) for n in range(4**5))), reverse=True)
    for genotype in seen[:5]:
        left.remove(height(genotype))
    assert [height(genotype) for genotype in seen[5:]] == left[:20]


def test_it_ends_with_the_space(problem):
    strategy, _ = made(problem)
    seen = run(strategy, moves.size(problem.space))
    assert len(set(seen)) == moves.size(problem.space)
    assert list(strategy.ask(3)) == []


def test_the_surrogate_learns_ranks_of_good_trials_only(hills):
    strategy, built = made(hills)

    def end(number, genotype):
        what = {1: {"error": "lost"}, 3: {"infeasible": "params"}}.get(number, {})
        return ended(number, genotype, **what)

    seen = run(strategy, 6, end)
    good = [genotype for number, genotype in enumerate(seen[:5]) if number not in (1, 3)]
    scores = normal_scores(np.array(list(map(height, good))))
    assert built[0].fits[0] == (good, scores.tolist())
    plain, built = made(hills, targets="values")
    seen = run(plain, 6)
    assert built[0].fits[0] == (seen[:5], list(map(height, seen[:5])))


def test_it_knows_what_is_under_way(hills):
    strategy, built = made(hills)
    run(strategy, 5)
    taken = [proposal.genotype for proposal in strategy.ask(3)]
    assert len(set(taken)) == 3
    assert built[0].pending == [[], taken[:1], taken[:2]]
    strategy.tell([ended(5, taken[1])])
    (another,) = strategy.ask(1)
    assert another.genotype not in taken
    assert built[0].pending[-1] == [taken[0], taken[2]]


def test_one_fit_serves_a_batch(hills):
    strategy, built = made(hills, batch=4)
    run(strategy, 5 + 12)
    assert [len(genotypes) for genotypes, _ in built[0].fits] == [5, 9, 13]


def test_large_spaces_are_searched_around_the_best(hills):
    """Without uniform candidates, all are children of the ten best: few changes away from one."""
    strategy, _ = made(hills, whole=0, uniform=0, mutations=40, parents=1, acquisition="thompson")
    seen = run(strategy, 40)

    def changes(genotype, parent):
        return sum(a != b for a, b in zip(genotype.options, parent.options, strict=True))

    distances = [changes(seen[n], max(seen[:n], key=height)) for n in range(5, 40)]
    assert min(distances) >= 1
    # half have one change, a quarter two ...: two on average; of random ones, 3.75
    assert np.mean(distances) < 3


def of_digits(genotype, digits):
    return Genotype(genotype.space, genotype.decisions, tuple(digits))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_mutations_start_from_the_canonical_form(hills, share):
    hills.space.canonical = lambda genotype: of_digits(genotype, sorted(genotype.options))
    strategy, _ = made(hills, whole=0, uniform=0, mutations=2000, parents=1, from_canonical=share)
    written = of_digits(*run(strategy, 1), "32100")
    form = hills.space.canonical(written)  # 00123, which differs in four decisions
    pool, _ = strategy._pools.candidates([ended(0, written)], {written}, random.Random(0))
    near = [set(moves.neighbours(hills.space, start)) & set(pool) for start in (written, form)]
    # all 15 neighbours of where half of the mutations end; of the other one few are ever met
    for found, reached in zip(near, (share < 1, share > 0), strict=True):
        assert len(found) == 15 if reached else len(found) < 8


def test_predicted_costs_keep_proposals_within_the_constraints(hills):
    hills = replace(hills, goal=replace(hills.goal, constraints=(Constraint("params", 6.0),)))
    strategy, _ = made(hills, initial=3)

    def end(number, genotype):
        broken = hills.goal.broken({"params": height(genotype)})
        metrics = {"params": height(genotype)} | ({} if broken else {"accuracy": height(genotype)})
        return Trial(number, genotype, 1.0, metrics, infeasible=broken)

    seen = run(strategy, 30, end)
    # Exact knows the costs: past the random ones nothing breaks the bound, and the best come first.
    assert [height(genotype) for genotype in seen[4:]] == [6.0] * 26


def test_nothing_good_yet_is_no_obstacle(hills):
    strategy, _ = made(hills)
    seen = run(strategy, 12, lambda number, genotype: Trial(number, genotype, 1.0, error="lost"))
    assert len(set(seen)) == 12


@pytest.mark.parametrize(("whole", "batch"), [(50_000, 1), (0, 3)])
def test_goes_on_from_its_state_after_the_random_ones(hills, tmp_path, whole, batch):
    def build():
        keys = {"whole": whole, "uniform": 40, "mutations": 40, "batch": batch}
        return Predictor(hills, GaussianProcess, initial=4, acquisition="thompson", **keys)

    def go_on(strategy, asked):
        """Three workers: three under way, the oldest of them ends first."""
        seen = []
        for number in range(25):
            asked += [proposal.genotype for proposal in strategy.ask(3 - len(asked))]
            seen.append(asked.pop(0))
            strategy.tell([ended(number, seen[-1])])
        return seen

    strategy = build()
    run(strategy, 17)
    under_way = [proposal.genotype for proposal in strategy.ask(2)]
    torch.save(strategy.state_dict(), tmp_path / "state.pt")
    again = build()
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert go_on(strategy, list(under_way)) == go_on(again, list(under_way))


def test_finds_the_top_of_a_rugged_hill_sooner_than_chance(hills):
    """A peak among pairs of digits; chance needs 512 of 1,024 on average."""
    draw = random.Random(0)
    pairs = {(i, a, b): draw.gauss(0, 1) for i in range(4) for a in "0123" for b in "0123"}

    def value(genotype):
        o = genotype.options
        return sum(pairs[i, o[i], o[i + 1]] for i in range(4))

    top = max(map(value, (moves.at(hills.space, n) for n in range(4**5))))
    found = []
    for seed in range(3):
        seeded = replace(hills, seed=seed)
        strategy, best, count = Predictor(seeded, GaussianProcess), -math.inf, 0
        while best < top and count < 200:
            (proposal,) = strategy.ask(1)
            trial = Trial(count, proposal.genotype, 1.0, {"accuracy": value(proposal.genotype)})
            strategy.tell([trial])
            best, count = max(best, trial.metrics["accuracy"]), count + 1
        found.append(count)
    assert max(found) < 130


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"targets": "rank"}, "targets 'rank' is not known; allowed: ranks, values"),
        ({"initial": 0}, "initial is 0; it must be at least 1"),
        ({"whole": -1}, "whole is -1; it must be at least 0"),
        ({"from_canonical": 1.5}, "from_canonical is 1.5; it must be from 0 to 1"),
        ({"mutations": -1}, "mutations is -1; it must be at least 0"),
        ({"uniform": 0, "mutations": 0}, "uniform and mutations are both 0"),
    ],
)
def test_senseless_settings_are_faults(hills, keys, text):
    with pytest.raises(Fault, match=text):
        made(hills, **keys)


def test_nothing_is_fitted_once_the_time_is_over(hills):
    budget = Budget(seconds=100.0)
    strategy, built = made(replace(hills, budget=budget))
    run(strategy, 5)
    budget.start(seconds_before=100.0)
    with pytest.raises(OutOfTime):
        strategy.ask(1)
    assert not built
    budget.start()
    assert run(strategy, 1) and built[0].fits


def test_improvement_is_expected_beyond_the_best_so_far(hills):
    """Mockus: E max(0, y - max y). A sure 0.9 promises none where 1 was seen; it would beyond 0.5.

    With the mean of what was seen for the best, the sure one would be tried.
    """
    sure, unsure = moves.at(hills.space, 4**5 - 1), moves.at(hills.space, 4**5 - 2)

    class Fixed(Exact):
        def predict(self, genotypes, pending=()):
            means = {sure: 0.9, unsure: 0.0}
            spread = {sure: 0.01, unsure: 1.0}
            told = [(means.get(g, -9.0), spread.get(g, 0.01)) for g in genotypes]
            return tuple(map(np.array, zip(*told, strict=True)))

    strategy = Predictor(hills, Fixed, acquisition="improvement", targets="values", initial=2)
    for number, accuracy in enumerate((0.0, 1.0)):
        strategy.tell([Trial(number, moves.at(hills.space, number), 1.0, {"accuracy": accuracy})])
    assert strategy.ask(1)[0].genotype == unsure
