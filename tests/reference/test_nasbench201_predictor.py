"""The predictor strategy and its surrogates on NAS-Bench-201, against published figures."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
from fixtures import build, composed
from hydra.utils import instantiate

from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.loop import Search
from nascli.core.space import at, size
from nascli.core.surrogate import normal_scores
from nascli.core.trial import Proposal
from nascli.workers.serial import Serial

SEEDS = 4
CHOSEN = ("strategy=predictor", "space=nasbench201", "estimator=table", "device=none")


def built(dataset, *overrides):
    config = composed(*CHOSEN, f"estimator.dataset={dataset}", *overrides)
    return config, build.search(config)


def optimum(parts):
    """The best cell by validation."""
    (table,), space = parts.estimators, parts.problem.space
    cells = (at(space, number) for number in range(size(space)))
    return max(cells, key=lambda cell: table.estimate(Proposal(cell))["accuracy"])


def proposed(config, parts, seed, trials):
    """The genotypes of one search, in order."""
    problem, found = replace(parts.problem, seed=seed), []
    strategy = build.component(config, "strategy", problem)
    evaluation = Evaluation(problem, parts.estimators)
    search = Search(strategy, evaluation, Serial(lambda: evaluation), Budget(trials=trials))
    search.run(lambda trial: found.append(trial.genotype))
    return found


# Hill climbing, the best of the searches without a surrogate, over 300 seeds by an independent
# script: mean queries to the best cell by validation. Ours needs about half of it (see
# benchmarks/results), and its mean over four seeds is below by more than four standard errors.
@pytest.mark.parametrize(("dataset", "figure"), [("cifar10", 86), ("cifar100", 73)])
def test_fewer_queries_to_the_optimum_than_hill_climbing(dataset, figure):
    config, parts = built(dataset)
    best, queries = optimum(parts), []
    for seed in range(SEEDS):
        found = proposed(config, parts, seed, trials=figure)
        assert len(set(found)) == len(found) == figure
        queries.append(found.index(best) + 1 if best in found else 3 * figure)
    assert statistics.mean(queries) < figure


def tau(surrogate, counts, draws=3):
    """Mean Kendall tau-b on all cells that the surrogate was not fitted on, CIFAR-10 validation."""
    from scipy.stats import kendalltau

    _, parts = built("cifar10")
    (table,), space = parts.estimators, parts.problem.space
    cells = tuple(at(space, number) for number in range(size(space)))
    values = np.array([table.estimate(Proposal(cell))["accuracy"] for cell in cells])
    made, found = surrogate(space, 0), {}
    for count in counts:
        taus = []
        for draw in range(draws):
            known = np.random.default_rng(draw).choice(len(cells), count, replace=False)
            made.fit([cells[number] for number in known], normal_scores(values[known]))
            means, _ = made.predict(cells)
            rest = np.delete(np.arange(len(cells)), known)
            taus.append(kendalltau(means[rest], values[rest]).statistic)
        found[count] = statistics.mean(taus)
    return found


def component(name, **keys):
    from omegaconf import OmegaConf

    from nascli.config import root

    return instantiate(OmegaConf.load(root() / "surrogate" / f"{name}.yaml"), **keys)


def test_ridge_predicts_as_well_as_an_independent_one():
    """Ridge on options and pairs of the cells as written, rank targets: another's script, 10 seeds.

    Its penalty is fixed and ours is fitted, so ours may be better; .03 is what three draws vary by.
    """
    found = tau(component("ridge", canonical=False), (100, 400))
    assert found[100] > 0.60 - 0.03
    assert found[400] > 0.70 - 0.03


def test_the_default_ranks_better_than_published_predictors():
    """PINAT (Lu et al., AAAI 2023) and ParZC (Dong et al. 2024), means of their runs' own logs."""
    found = tau(component("gaussian_process"), (78, 156))
    assert found[78] > 0.695  # ParZC; PINAT .514
    assert found[156] > 0.714  # ParZC; PINAT .586
