"""Random search against its closed form, through the loop, on the shipped table."""

import math
import statistics
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from fixtures import build, composed

from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.loop import Search
from nascli.strategies.random import Random
from nascli.workers.serial import Serial

TRIALS, SEEDS = 100, 300


def closed_form(dataset):
    """Mean and deviation of the test accuracy of the best-by-validation of TRIALS cells."""
    with resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        valid, test = arrays[f"{dataset}_valid_200"], arrays[f"{dataset}_test_200"]
    ranked = test[np.argsort(-valid, kind="stable")].astype(float)
    whole = math.comb(len(ranked), TRIALS)
    chance = [math.comb(len(ranked) - 1 - r, TRIALS - 1) / whole for r in range(len(ranked))]
    mean = float(np.dot(chance, ranked))
    return mean, math.sqrt(float(np.dot(chance, (ranked - mean) ** 2)))


# the closed form over the shipped table, worked out by an independent script
@pytest.mark.parametrize(
    ("dataset", "figure"), [("cifar10", 93.782), ("cifar100", 71.44), ("imagenet16", 45.37)]
)
def test_best_by_validation_of_100(dataset, figure):
    mean, deviation = closed_form(dataset)
    assert mean == pytest.approx(figure, abs=0.005)
    chosen = ("strategy=random", "space=nasbench201", "estimator=table", "device=none")
    parts = build.search(composed(*chosen, f"estimator.dataset={dataset}"))
    (table,) = parts.estimators
    found = []
    for seed in range(SEEDS):
        problem = replace(parts.problem, seed=seed)
        evaluation = Evaluation(problem, (table,))
        workers = Serial(lambda made=evaluation: made)
        search = Search(Random(problem), evaluation, workers, Budget(trials=TRIALS))
        genotype = search.run(lambda _trial: None)
        found.append(table.traits.final(genotype)["test_accuracy"])
    # four standard errors of the closed form itself
    assert abs(statistics.mean(found) - mean) < 4 * deviation / math.sqrt(SEEDS)
