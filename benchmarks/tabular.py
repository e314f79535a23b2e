"""Searches on a table in this process: what the other files here repeat over many seeds."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from nascli.config import search as parts_of
from nascli.config.compose import Asked, asked
from nascli.config.overrides import rewritten
from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.trial import History, Trial
from nascli.devices.processor import processor

RESULTS = Path(__file__).parent / "results"
DATASETS = ("cifar10", "cifar100", "imagenet16")


class Enough(Exception):  # noqa: N818 - no error
    """Ends a search that has shown what it was to show."""


def searched(
    overrides: Sequence[str],
    seed: int,
    dataset: str = "cifar10",
    until: Callable[[Trial, Budget], bool] = lambda _trial, _budget: False,
) -> tuple[History, Problem]:
    """The history of `nas search space=nasbench201 estimator=table OVERRIDES`, without a folder.

    It ends early after a trial of which `until(trial, budget)` is true.
    """
    wanted = _asked(tuple(overrides), dataset)
    config = wanted.config.copy()
    config.seed = seed
    parts = parts_of.build(wanted.with_config(config), survey=False)
    evaluation = Evaluation(parts.problem, parts.estimators)
    workers = parts.workers(evaluation, Path())
    search = Search(parts.strategy, evaluation, workers, parts.budget)

    def ended(trial: Trial) -> None:
        if until(trial, search.budget):
            raise Enough

    with suppress(Enough):
        search.run(ended)
    return search.history, parts.problem


@lru_cache
def _asked(overrides: tuple[str, ...], dataset: str) -> Asked:
    fixed = ("space=nasbench201", "estimator=table", f"estimator.dataset={dataset}", "device=none")
    fixed += ("budget.repeats=null",)  # repeats are trials, as when the results were measured
    return asked("search", rewritten([*fixed, *overrides]))


@lru_cache
def column(
    dataset: str, split: str, epochs: int = 200
) -> tuple[np.ndarray, dict[tuple[str, ...], int]]:
    """Accuracies after so many epochs in percent, and the row of each cell by its options."""
    with resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        table = np.load(file, allow_pickle=False)
        names = [str(name) for name in table["operations"]]
        rows = {tuple(names[o] for o in cell): n for n, cell in enumerate(table["cells"])}
        return table[f"{dataset}_{split}_{epochs}"].astype(float), rows


def queries(history: Iterable[Trial]) -> list[Trial]:
    """The trials that cost a query: every distinct genotype once, at full fidelity."""
    first: dict[Any, Trial] = {}
    for trial in history:
        if trial.error is None and trial.infeasible is None and trial.fidelity == 1:
            first.setdefault(trial.genotype.options, trial)
    return list(first.values())


def test_accuracy(trials: Sequence[Trial], dataset: str) -> float:
    """The test accuracy, in percent, of the best of these by validation accuracy."""
    best = max(trials, key=lambda trial: trial.metrics["accuracy"])
    values, rows = column(dataset, "test")
    return float(values[rows[best.genotype.options]])


def queries_to_optimum(trials: Sequence[Trial], dataset: str) -> float:
    """How many queries it took to find the space's best validation accuracy; inf: not found."""
    top = column(dataset, "valid")[0].max()
    for number, trial in enumerate(trials, 1):
        if trial.metrics["accuracy"] >= top - 1e-4:
            return number
    return math.inf


def until_optimum(dataset: str, least: int) -> Callable[[Trial, Budget], bool]:
    """True once the best validation accuracy is found and `least` cells have been queried."""
    top, seen, found = column(dataset, "valid")[0].max(), set(), []

    def enough(trial: Trial, _budget: Budget) -> bool:
        seen.add(trial.genotype.options)
        if trial.metrics["accuracy"] >= top - 1e-4:
            found.append(trial.number)
        return bool(found) and len(seen) >= least

    return enough


def hardware() -> str:
    """The processor, and the vectors that torch finds it to have."""
    import torch

    return f"{processor()}, {torch.backends.cpu.get_cpu_capability()}"


def mean(values: Sequence[float]) -> dict[str, float | None]:
    """Mean, standard deviation and standard error (None of one value), ready for a result file."""
    if len(values) == 1:
        return {"mean": round(values[0], 3), "std": None, "standard_error": None}
    spread = statistics.stdev(values)
    return {
        "mean": round(statistics.mean(values), 3),
        "std": round(spread, 3),
        "standard_error": round(spread / math.sqrt(len(values)), 4),
    }


def save(name: str, result: dict[str, Any]) -> None:
    """Writes results/NAME.json, its command included."""
    RESULTS.mkdir(exist_ok=True)
    whole = {"command": "python " + " ".join(sys.argv), **result}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n")
