"""The first genotypes of every strategy at seed 0, so that no change of them goes unseen.

If a change is meant, delete the strategy's file in tests/reference/golden and run this test: it
writes the file anew and fails once. Gradient searches are left out: their genotypes follow from
sums of floating-point numbers that differ between machines.
"""

import json
from pathlib import Path

import pytest
from fixtures import composed, options
from hydra.utils import get_class

from nascli.commands import build
from nascli.core.loop import Evaluation, Search
from nascli.core.traits import traits_of
from nascli.workers.serial import Serial

GOLDEN = Path(__file__).parent / "golden"
TRIALS = 12
SMALL = {
    "predictor": ("strategy.initial=6",),
    "bananas": ("strategy.initial=10",),
    "npenas": ("strategy.initial=10",),
    "screening": (
        "strategy.candidates=20",
        "strategy.keep=4",
        "estimator@strategy.by=table",
        "strategy.fidelity=0.06",
    ),
}


def sample_based(name):
    config = composed(f"strategy={name}", "space=nasbench201", "estimator=table")
    return not traits_of(get_class(config.strategy._target_)).weight_sharing


def trajectory(name):
    config = composed(
        f"strategy={name}",
        "space=nasbench201",
        "estimator=table",
        "device=none",
        f"budget.trials={TRIALS}",
        *SMALL.get(name, ()),
    )
    parts = build.search(config)
    evaluation = Evaluation(parts.problem, parts.estimators)
    search = Search(parts.strategy, evaluation, Serial(lambda: evaluation), parts.budget)
    search.run(lambda _trial: None)
    trials = search.history[:TRIALS]
    return [f"{' '.join(trial.genotype.options)} @ {trial.fidelity:.3f}" for trial in trials]


@pytest.mark.parametrize("name", options("strategy"))
def test_takes_the_steps_it_took(name):
    if name in ("tpe", "gp"):
        pytest.skip("Optuna's own steps, which change with its versions")
    if not sample_based(name):
        pytest.skip("a gradient search")
    file = GOLDEN / f"{name}.json"
    found = trajectory(name)
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(found, indent=1) + "\n")
        pytest.fail(f"{file} did not exist; it is written now: look at it, and run again")
    expected = json.loads(file.read_text())
    assert found == expected, f"if this change is meant, delete {file} and run again"
