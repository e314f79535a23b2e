"""What every estimator keeps to; the YAML folder says which there are."""

import math

import pytest
from fixtures import TINY, TINY_SPACE, build, composed, options

from nascli.config import shared_weights
from nascli.core import space as moves
from nascli.core.estimator import Prepared
from nascli.core.traits import traits_of
from nascli.core.trial import Proposal
from nascli.relaxations.softmax import Softmax


@pytest.fixture(params=options("estimator"))
def made(request, tmp_path):
    """The estimator on a task whose test split must not be touched."""
    config = composed(
        "strategy=random",
        "space=nasbench201",
        f"estimator={request.param}",
        f"outputs={tmp_path}",
        *TINY,
        *TINY_SPACE["nasbench201"],
    )
    problem = build.problem(config, build.Faults())
    split = problem.task.split

    def guarded(name):
        assert name != "test", "a search has touched the test split"
        return split(name)

    object.__setattr__(problem.task, "split", guarded)
    if request.param == "predictor":
        config.estimator.path = str(known(problem, tmp_path / "known.csv"))
    shared = shared_weights.of(config, problem)
    if shared is not None:
        shared.relaxation = Softmax(shared.supernet, seed=0)  # as if a search were under way
    estimator = build.given(config, "estimator", problem, shared)
    if isinstance(estimator, Prepared):
        estimator.prepare(lambda: None)
    return problem, estimator


def known(problem, path):
    """Accuracies to learn from."""
    rows = [[*problem.space.decisions, "accuracy"]]
    rows += [[*moves.at(problem.space, 999 * n).options, str(50 + n)] for n in range(12)]
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return path


def proposals(problem, count=2):
    return [Proposal(moves.at(problem.space, 7_777 + 5 * n)) for n in range(count)]


def test_gives_the_metrics_it_names_and_repeats_them_if_it_says_so(made):
    """Repeatable means independent of what came before."""
    problem, estimator = made
    first, second = proposals(problem)
    alone = dict(estimator.estimate(second))
    for metrics in (alone, estimator.estimate(first)):
        assert set(metrics) == set(estimator.metrics)
        assert all(isinstance(value, float | int) for value in metrics.values())
        assert all(math.isfinite(value) for value in metrics.values())
        assert not any("test" in name for name in metrics)
        assert bool(estimator.meaning) == ("accuracy" in metrics)
        if "accuracy" in metrics:
            assert 0 <= metrics["accuracy"] <= 100
    if traits_of(estimator).repeatable:
        assert dict(estimator.estimate(second)) == alone
