"""What report.json says of a search: a plain dictionary whose layout stays the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.core.estimator import COSTS
from nascli.core.failures import kinds
from nascli.core.genotype import Genotype
from nascli.core.goal import Objective
from nascli.core.pareto import hypervolume, nondominated, normalised
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.space import size
from nascli.core.trial import History, Trial


def search(
    history: History,
    problem: Problem,
    genotype: Genotype | None,
    seconds: float,
    effort: Mapping[str, float],
    *,
    repeats: int = 0,
    ended: str = "",
    networks: str = "",
) -> dict[str, Any]:
    """The outcome of a search whose answer is `genotype` (None: no trial was good).

    Keys, always all of them:

    - `verb`: "search"; `seconds`: how long it took
    - `problem`: `space`, `genotypes` (how many there are), `task`, `input_shape`, `classes`,
      `networks` (data and size of those whose costs are told), `objectives` (metric -> direction;
      the first one picks the answer), `constraints` (metric -> maximum), `device` (None: not
      measured), `seed`
    - `genotype`: the answer as `Genotype.to_json` gives it, or None; `description`: in words
    - `result`: metrics of the answer's best trial that are no costs; `costs`: those that are
    - `effort`: time, memory and energy of an epoch of what trained a supernet; else empty
    - `best`: the history's best trial, as `incumbents`, or None
    - `unit`: what a trial is called, "trial" or "epoch" (left out by earlier versions)
    - `trials`: how many there were in `all`, `good`, `infeasible`, `failed`; and how many proposals
      were `repeats` that are no trials
    - `ended`: why there are no more; `failures`: error -> how many trials failed with it
    - `incumbents`: per trial that was the best so far its `trial` number, `fidelity`, `seconds` and
      metrics

    With several objectives also:

    - `front`: the same per trial that no other one beats in all of them
    - `hypervolume`: the share of the box between the best and the worst values of the good trials
      that the front dominates
    - `fronts`: cost -> the same per trial that no other one beats in the first objective and that
      cost; without the costs that were not looked at, and without FLOPs, which are 2 x MACs
    """
    metrics = _metrics(history, problem, genotype)
    best = history.best(problem.goal)
    several = _front(history, problem) if len(problem.goal.objectives) > 1 else {}
    return {
        "verb": "search",
        "seconds": round(seconds, 3),
        "problem": {**_problem(problem), "networks": networks or str(given(problem.as_deployed))},
        "genotype": genotype.to_json() if genotype else None,
        "description": problem.as_deployed.space.describe(genotype) if genotype else "",
        "result": {name: value for name, value in metrics.items() if name not in COSTS},
        "costs": {name: metrics[name] for name in COSTS if name in metrics},
        "effort": {name: round(value, 3) for name, value in effort.items()},
        "best": _row(best) if best else None,
        "trials": {**counts(history), "repeats": repeats},
        "ended": ended,
        "failures": kinds(history),
        **several,
        "incumbents": [_row(trial) for trial in history.incumbents(problem.goal)],
    }


def _front(history: History, problem: Problem) -> dict[str, Any]:
    points = normalised([problem.goal.losses(trial) for trial in history.full(problem.goal)])
    rows = [_row(trial) for trial in history.front(problem.goal)]
    volume = hypervolume(points, (1.0,) * len(problem.goal.objectives))
    return {
        "hypervolume": round(volume, 6),
        "front": rows,
        "fronts": _fronts(history.full(problem.goal), problem.goal.objectives[0]),
    }


def _fronts(trials: Sequence[Trial], first: Objective) -> dict[str, list[dict[str, Any]]]:
    """Every cost that all trials know, with the rows that nothing beats in it and `first`."""
    costs = [c for c in COSTS if c != "flops" and all(c in t.metrics for t in trials)]
    found = {}
    for cost in costs:
        points = [(first.loss(trial.metrics), trial.metrics[cost]) for trial in trials]
        kept = sorted(nondominated(points), key=lambda number: points[number])
        found[cost] = [_row(trials[number]) for number in kept]
    return found


def counts(history: History) -> dict[str, int]:
    """How many trials there were, and of which kind."""
    failed = sum(trial.error is not None for trial in history)
    infeasible = sum(trial.infeasible is not None and trial.error is None for trial in history)
    good = len(history) - failed - infeasible
    return {"all": len(history), "good": good, "infeasible": infeasible, "failed": failed}


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "space": problem.space.name,
        "genotypes": size(problem.space),
        "task": problem.task.name,
        "input_shape": list(problem.task.input_shape),
        "classes": problem.task.classes,
        "objectives": {o.metric: o.direction for o in problem.goal.objectives},
        "constraints": {bound.metric: bound.maximum for bound in problem.goal.constraints},
        "device": problem.device.name if problem.device else None,
        "seed": problem.seed,
    }


def _metrics(history: History, problem: Problem, genotype: Genotype | None) -> dict[str, float]:
    """What is known of `genotype`: the metrics of its best trial."""
    trials = History([trial for trial in history if trial.genotype == genotype])
    best = trials.best(problem.goal)
    return dict(best.metrics) if best else {}


def _row(trial: Trial) -> dict[str, Any]:
    about = {"trial": trial.number, "fidelity": trial.fidelity, "seconds": trial.seconds}
    return {**about, **trial.metrics}
