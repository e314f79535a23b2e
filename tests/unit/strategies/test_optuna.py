"""Optuna behind ask and tell."""

import builtins
from dataclasses import replace

import pytest

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.goal import Objective
from nascli.core.trial import Trial
from nascli.strategies.optuna import Optuna

optuna = pytest.importorskip("optuna")


@pytest.fixture
def hill(problem):
    problem.space.decisions = {f"d{i}": tuple("0123") for i in range(6)}
    return problem


def height(genotype):
    return float(sum(map(int, genotype.options)))


def climb(strategy, count, start=0):
    found = []
    for number in range(start, start + count):
        (proposal,) = strategy.ask(1)
        metrics = {"accuracy": height(proposal.genotype), "macs": float(number)}
        strategy.tell([Trial(number, proposal.genotype, 1.0, metrics)])
        found.append(metrics["accuracy"])
    return found


def test_agrees_with_a_study_of_optuna_itself(hill):
    ours = Optuna(hill, initial=5)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    names = list(hill.space.decisions)
    theirs = []
    for _ in range(20):
        trial = study.ask()
        digits = [int(trial.suggest_categorical(name, tuple("0123"))) for name in names]
        study.tell(trial, -float(sum(digits)))
        theirs.append(float(sum(digits)))
    assert climb(ours, 20) == theirs


def test_tpe_learns(hill):
    found = climb(Optuna(hill), 60)
    assert sum(found[-10:]) / 10 > sum(found[:10]) / 10 + 3  # of 18, 9 expected at random


def test_goes_on_after_its_state(hill):
    strategy, again = Optuna(hill, initial=3), Optuna(hill, initial=3)
    climb(strategy, 8)
    again.load_state_dict(strategy.state_dict())
    assert climb(again, 6, 8) == climb(strategy, 6, 8)


def test_trials_under_way_are_told_in_any_order(hill):
    strategy, again = Optuna(hill, initial=2), Optuna(hill, initial=2)
    asked = strategy.ask(4)
    for number in (2, 0):
        genotype = asked[number].genotype
        strategy.tell([Trial(number, genotype, 1.0, {"accuracy": height(genotype)})])
    strategy.tell([Trial(1, asked[1].genotype, 1.0, error="lost")])
    again.load_state_dict(strategy.state_dict())
    for one in (strategy, again):
        one.tell([Trial(3, asked[3].genotype, 1.0, infeasible="params")])
    assert again.ask(2) == strategy.ask(2)


def test_several_objectives_are_several_directions(hill):
    both = (Objective("accuracy", "max"), Objective("macs", "min"))
    hill = replace(hill, goal=replace(hill.goal, objectives=both))
    strategy = Optuna(hill, initial=3)
    climb(strategy, 6)
    assert len(strategy._study.directions) == 2
    assert [t.values[0] for t in strategy._study.trials] == [
        -height(moves.check(hill.space, _genotype(hill, t))) for t in strategy._study.trials
    ]


def _genotype(problem, trial):
    return moves.Genotype.of(problem.space.name, dict(trial.params))


def test_without_optuna_it_says_what_to_install(hill, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Fault, match=r"pip install 'nascli\[optuna\]'"):
        Optuna(hill)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"algorithm": "gpp"}, "strategy.algorithm 'gpp' is not known; allowed: gp, tpe"),
        ({"initial": 0}, "strategy.initial is 0; it must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_faults(hill, options, says):
    with pytest.raises(Fault, match=says):
        Optuna(hill, **options)
