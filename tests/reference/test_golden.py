"""The first genotypes of every strategy at seed 0, so that no change of them goes unseen.

A line of a file is one trial: which option it takes of every decision, by its place in the space,
and the fidelity where it is not 1 (`031420@0.25`). Settings are such that every strategy leaves its
random start well before the end. VARIANTS are other settings of strategies that take another turn
with them. `bananas` and `npenas` follow float32 sums of their surrogates: another CPU may take
other steps.

If a change is meant, delete the strategy's file in tests/reference/golden and run this test: it
writes the file anew and fails once. Gradient searches are in test_golden_gradient.py.
"""

import json
from pathlib import Path

import pytest
from fixtures import composed, options
from recorded.replay import Replay, shares_weights

GOLDEN = Path(__file__).parent / "golden"
TRIALS = 300
# These fit models again and again, which takes long; every one of them fits four times at least.
FEWER = {"bananas": 60, "npenas": 50, "predictor": 100, "predictor_forest": 220}
TABLE = ("space=nasbench201", "estimator=table", "device=none")
SMALL = {
    "evolution": ("strategy.population=20", "strategy.tournament=5"),
    "nsga2": ("strategy.population=20",),
    # as recorded before tables had rungs of their own
    "asha": ("strategy.fidelities=null",),
    "hyperband": ("strategy.fidelities=null",),
    "bohb": ("strategy.fidelities=null",),
    "screening": (
        "strategy.candidates=60",
        "strategy.keep=20",
        "estimator@strategy.by=table",
        "strategy.fidelity=0.06",
    ),
}
VARIANTS = {
    "asha_rungs": ("strategy=asha", "strategy.fidelities=[0.06,1.0]"),
    "bohb_rungs": ("strategy=bohb", "strategy.fidelities=[0.06,1.0]"),
    "evolution_crossover": (
        "strategy=evolution",
        "strategy.population=20",
        "strategy.tournament=5",
        "strategy.crossover=0.5",
        "strategy.aging=false",
    ),
    "evolution_constraint": (
        "strategy=evolution",
        "strategy.population=20",
        "strategy.tournament=5",
        "+constraints.params=300000",
    ),
    "local_search_best": ("strategy=local_search", "strategy.move=best", "strategy.kick=0"),
    "nsga2_front": (
        "strategy=nsga2",
        "strategy.population=20",
        "+objectives.accuracy=max",
        "+objectives.params=min",
    ),
    "predictor_forest": (
        "strategy=predictor",
        "surrogate@strategy.surrogate=forest",
        "strategy.acquisition=improvement",
        "strategy.whole=0",
        "strategy.uniform=50",
        "strategy.mutations=50",
        "strategy.batch=50",
    ),
    "random_repeats": ("strategy=random", "strategy.repeats=true"),
    "reinforce_tanh": ("strategy=reinforce", "strategy.tanh_constant=2.5"),
    "screening_evolution": (
        "strategy=screening",
        *SMALL["screening"],
        "strategy@strategy.of=evolution",
        "strategy.of.population=20",
    ),
}
SKIPPED = ("tpe", "gp")
# of strategies that stand here by themselves
COMPOSED = ("spos", "fairnas", "ofa", "mnasnet", "specialise")


def searches():
    """Name -> overrides."""
    names = [name for name in options("strategy") if name not in (*SKIPPED, *COMPOSED)]
    plain = {name: (f"strategy={name}", *SMALL.get(name, ())) for name in names}
    return {**plain, **VARIANTS}


def trajectory(name):
    """One line a trial, and what is recommended in the end."""
    # As many as are looked at, whatever share of a full trial they are or if they are free; by the
    # rule of 0.1.0 repeats are trials too, so that all steps are seen.
    count = FEWER.get(name, TRIALS)
    limits = (f"budget.trials={count}", f"budget.proposals={count}", "budget.repeats=null")
    config = composed(*searches()[name], *TABLE, *limits)
    if shares_weights(config):
        pytest.skip("a gradient search")
    search = Replay(config)
    answer = search.run()
    lines = [search.digits(trial.genotype) for trial in search.trials]
    shares = [f"@{t.fidelity:.6g}" if t.fidelity != 1 else "" for t in search.trials]
    return {
        "trials": [line + share for line, share in zip(lines, shares, strict=True)],
        "recommended": search.digits(answer),
    }


@pytest.mark.parametrize("name", searches())
def test_takes_the_steps_it_took(name):
    file = GOLDEN / f"{name}.json"
    found = trajectory(name)
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(found, indent=0) + "\n")
        pytest.fail(f"{file} did not exist; it is written now: look at it, and run again")
    expected = json.loads(file.read_text())
    assert found == expected, f"if this change is meant, delete {file} and run again"


@pytest.mark.parametrize("name", SKIPPED)
def test_is_left_to_optuna(name):
    pytest.skip("Optuna's own steps, which change with its versions")
