import random

import pytest
from scipy.stats import kruskal

from nascli.analysis.importance import importance
from nascli.core.genotype import Genotype
from nascli.core.trial import Trial


def trials(rng, count=60):
    options = [(rng.choice("xyz"), rng.choice("pq"), "only") for _ in range(count)]
    return [Trial(n, Genotype("toy", ("a", "b", "c"), o), 1.0) for n, o in enumerate(options)]


def test_it_is_what_kruskal_and_wallis_make_of_the_ranks():
    """Their H is (n - 1) times the correlation ratio of the ranks, here with ties."""
    rng = random.Random(0)
    some = trials(rng)
    losses = [round(3 * (t.genotype.options[0] == "x") + rng.gauss(0, 1), 1) for t in some]
    found = importance(some, losses)
    assert list(found) == ["a", "b"]  # the first decides, the third never varies
    for place, name in enumerate("ab"):
        groups: dict[str, list[float]] = {}
        for trial, loss in zip(some, losses, strict=True):
            groups.setdefault(trial.genotype.options[place], []).append(loss)
        n, k = len(some), len(groups)
        ratio = kruskal(*groups.values()).statistic / (n - 1)
        epsilon = 1 - (1 - ratio) * (n - 1) / (n - k)
        assert found[name] == pytest.approx(max(0.0, epsilon), abs=1e-12)
    assert found["a"] > 0.4


def test_chance_alone_gives_nothing_on_average():
    rng = random.Random(1)
    shares = [
        importance(some, [rng.random() for _ in some])["a"]
        for some in (trials(rng) for _ in range(200))
    ]
    assert sum(shares) / len(shares) < 0.02  # a plain correlation ratio has 2 / 59 = 0.034


def test_too_few_trials_or_equal_ones_say_nothing():
    few = trials(random.Random(2), 19)
    assert importance(few, range(19)) == {}
    assert importance(trials(random.Random(2)), [1.0] * 60) == {}
