"""The predictor strategy on NAS-Bench-201: accuracy after so many queries, queries to the optimum.

python benchmarks/nasbench201_predictor.py [seeds] [strategy override ...]    (default: 300 seeds)

The objective is the validation accuracy after 200 epochs; the figure is the test accuracy of the
best by validation. A query is one genotype. A search ends once it has the best of all cells, after
which its figure cannot change, or at 500 queries, which then count as its queries to the optimum.

What was tuned: the sum of kernels, the acquisition (bound or improvement) and kappa (1.5 to 3
differ little), on these three tables with other random draws than those of the seeds reported here.
"""

import json
import math
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from nascli.commands import build
from nascli.config import composed
from nascli.core.budget import Budget
from nascli.core.loop import Evaluation, Search
from nascli.core.space import at, size
from nascli.core.trial import Proposal
from nascli.workers.serial import Serial

DATASETS = ("cifar10", "cifar100", "imagenet16")
MARKS, LIMIT = (50, 100, 200), 500
FIXED = ("space=nasbench201", "estimator=table", "device=none", f"budget.trials={LIMIT}")
RESULT = Path(__file__).parent / "results" / "nasbench201_predictor.json"


class Found(Exception):  # noqa: N818
    """The search has the best cell."""


def optimum(parts: build.Parts) -> float:
    (table,) = parts.estimators
    space = parts.problem.space
    cells = (at(space, number) for number in range(size(space)))
    return max(table.estimate(Proposal(cell))["accuracy"] for cell in cells)


def searched(config, parts: build.Parts, seed: int, best: float) -> tuple[list[float], int]:
    """Test accuracy of the best by validation after each mark, and queries to the optimum."""
    problem = replace(parts.problem, seed=seed)
    strategy = build.component(config, "strategy", problem)
    evaluation = Evaluation(problem, parts.estimators)
    search = Search(strategy, evaluation, Serial(lambda: evaluation), Budget(trials=LIMIT))

    def ended(trial) -> None:
        if trial.metrics["accuracy"] >= best:
            raise Found

    try:
        search.run(ended)
        queries = LIMIT
    except Found:
        queries = len(search.history)
    (table,) = parts.estimators
    incumbents = [max(search.history[:mark], key=_accuracy) for mark in MARKS]
    return [table.final(trial.genotype)["test_accuracy"] for trial in incumbents], queries


def _accuracy(trial) -> float:
    return trial.metrics["accuracy"]


def row(dataset: str, seeds: int, overrides: list[str]) -> dict[str, float]:
    config = composed("search", [*FIXED, *overrides, f"estimator.dataset={dataset}"], [])
    parts = build.search(config)
    best = optimum(parts)
    start = time.perf_counter()
    done = [searched(config, parts, seed, best) for seed in range(seeds)]
    queries = [count for _, count in done]
    found = {}
    for number, mark in enumerate(MARKS):
        figures = [accuracies[number] for accuracies, _ in done]
        found[f"test_accuracy_at_{mark}"] = round(statistics.mean(figures), 3)
        found[f"deviation_at_{mark}"] = round(statistics.stdev(figures), 3)
    return {
        **found,
        "mean_queries_to_optimum": round(statistics.mean(queries), 1),
        "standard_error": round(statistics.stdev(queries) / math.sqrt(seeds), 1),
        "median_queries_to_optimum": statistics.median(queries),
        "searches_without_it": sum(count >= LIMIT for count in queries),
        "milliseconds_per_query": round((time.perf_counter() - start) * 1e3 / sum(queries), 1),
    }


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    overrides = sys.argv[2:] or ["strategy=predictor"]
    rows = {}
    for dataset in DATASETS:
        rows[dataset] = row(dataset, seeds, overrides)
        print(dataset, rows[dataset], flush=True)
    if not sys.argv[2:]:
        result = {"command": "python " + " ".join(sys.argv), "seeds": seeds, "rows": rows}
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
