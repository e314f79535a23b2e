"""Strategies on NAS-Bench-201's table against published figures, over fewer seeds than benchmarks/.

A bound is the published mean less four standard errors of a mean over so many seeds.
"""

import math
import statistics
from functools import cache

import pytest
from fixtures import build, composed
from scipy import stats

from nascli.core.evaluation import Evaluation
from nascli.core.loop import Search
from nascli.core.pareto import hypervolume
from nascli.workers.serial import Serial

SEEDS = 12


@cache
def searches(*overrides):
    """The histories of SEEDS searches."""
    found = []
    config = composed("space=nasbench201", "estimator=table", "device=none", *overrides)
    for seed in range(SEEDS):
        config.seed = seed
        parts = build.search(config)
        evaluation = Evaluation(parts.problem, parts.estimators)
        search = Search(parts.strategy, evaluation, Serial(lambda e=evaluation: e), parts.budget)
        search.run(lambda _trial: None)
        found.append((search.history, parts))
    return found


def accuracies(*overrides):
    """Test accuracies of the best by validation."""
    return [
        parts.estimators[0].traits.final(history.answer(parts.problem.goal))["test_accuracy"]
        for history, parts in searches(*overrides)
    ]


# Yardsticks: hill climbing and evolution (population 30, tournament 10), computed
# from the public table by scripts independent of this code
@pytest.mark.parametrize(
    ("dataset", "strategy", "published", "deviation"),
    [
        ("cifar10", "evolution", 94.26, 0.25),
        ("cifar100", "evolution", 73.37, 0.4),
        ("imagenet16", "evolution", 46.40, 0.4),
        ("cifar10", "local_search", 94.36, 0.15),
        ("cifar100", "local_search", 73.49, 0.2),
        ("imagenet16", "local_search", 46.38, 0.5),
    ],
)
def test_reaches_the_known_accuracy_at_200_queries(dataset, strategy, published, deviation):
    options = {"evolution": ("strategy.population=30", "strategy.tournament=10")}
    found = accuracies(
        f"strategy={strategy}",
        f"estimator.dataset={dataset}",
        "budget.trials=200",
        *options.get(strategy, ()),
    )
    assert statistics.mean(found) > published - 4 * deviation / math.sqrt(SEEDS)


@pytest.mark.parametrize(
    "strategy",
    [
        ("strategy=evolution", "strategy.population=20", "strategy.tournament=5"),
        ("strategy=local_search",),
    ],
)
def test_beats_random_search(strategy):
    ours = accuracies(*strategy, "budget.trials=120")
    random = accuracies("strategy=random", "budget.trials=120")
    assert stats.ttest_ind(ours, random, equal_var=False, alternative="greater").pvalue < 0.01


def test_nsga2_finds_nearly_all_of_the_hypervolume():
    """Exact: 0.87621 for x = MFLOPs / 220.11969, y = accuracy / 100, reference (1, 0)."""
    overrides = (
        "strategy=nsga2",
        "~objectives",
        "+objectives={accuracy: max, macs: min}",
        "budget.trials=500",
    )
    shares = []
    for history, _ in searches(*overrides)[:6]:
        points = [(t.metrics["macs"] / 220.11969e6, -t.metrics["accuracy"] / 100) for t in history]
        shares.append(hypervolume(points, (1.0, 0.0)) / 0.87621)
    assert min(shares) > 0.99
    assert max(shares) < 1.00001
