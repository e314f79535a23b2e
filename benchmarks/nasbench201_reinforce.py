"""REINFORCE on NAS-Bench-201 beside its published figure.

python benchmarks/nasbench201_reinforce.py [seeds] [data sets]      (default: 60 seeds, all three)

All is as shipped. The objective is the validation accuracy after 200 epochs; the figure is the test
accuracy of the best by validation after so many queries (repeats of a known cell are no queries).
Published (Dong and Yang 2020, arXiv 2001.00326, Table 5; searched on CIFAR-10): 93.85 +- 0.37 test
accuracy on CIFAR-10, at a simulated time that buys about 70 to 100 queries.
"""

import json
import math
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from nascli.commands import build
from nascli.config import root
from nascli.core.budget import Budget
from nascli.core.loop import Evaluation, Search
from nascli.workers.serial import Serial

QUERIES = (100, 200, 500)
PUBLISHED = {"source": "arXiv 2001.00326, Table 5", "cifar10": 93.85, "deviation": 0.37}
RESULT = Path(__file__).parent / "results" / "nasbench201_reinforce.json"


def searched(dataset: str, seeds: int) -> list[list[float]]:
    """By seed: the figure at each of QUERIES, and the proposals looked at."""
    chosen = ["strategy=reinforce", "space=nasbench201", "estimator=table", "device=none"]
    chosen += [f"estimator.dataset={dataset}"]
    with initialize_config_dir(str(root()), version_base="1.3"):
        config = compose("search", overrides=chosen)
    parts = build.search(config)
    (table,) = parts.estimators
    found = []
    for seed in range(seeds):
        problem = replace(parts.problem, seed=seed)
        evaluation = Evaluation(problem, (table,))
        budget = Budget(trials=max(QUERIES))
        proposed = build.component(config, "strategy", problem)
        search = Search(proposed, evaluation, Serial(lambda e=evaluation: e), budget)
        best = [math.inf, None]
        figures: dict[int, float] = {}

        def ended(trial, best=best, figures=figures, budget=budget, problem=problem):
            if problem.loss(trial) < best[0]:
                best[:] = problem.loss(trial), trial.genotype
            for queries in QUERIES:
                if budget.used >= queries and queries not in figures:
                    figures[queries] = table.final(best[1])["test_accuracy"]

        search.run(ended)
        last = table.final(best[1])["test_accuracy"]
        found.append([*(figures.get(q, last) for q in QUERIES), budget.seen])
    return found


def main() -> None:
    torch.set_num_threads(1)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    rows = []
    for dataset in sys.argv[2:] or ("cifar10", "cifar100", "imagenet16"):
        start = time.perf_counter()
        found = searched(dataset, seeds)
        seen = sum(row[-1] for row in found)
        for place, queries in enumerate(QUERIES):
            figures = [row[place] for row in found]
            rows.append(
                {
                    "data set": dataset,
                    "queries": queries,
                    "mean_test_accuracy": round(statistics.mean(figures), 3),
                    "deviation": round(statistics.stdev(figures), 3),
                    "standard_error": round(statistics.stdev(figures) / math.sqrt(seeds), 3),
                }
            )
            print(rows[-1], flush=True)
        rows[-1]["proposals"] = round(seen / seeds)
        rows[-1]["ms_a_proposal"] = round((time.perf_counter() - start) / seen * 1e3, 2)
        print(rows[-1], flush=True)
    result = {"command": "python " + " ".join(sys.argv), "seeds": seeds, "published": PUBLISHED}
    RESULT.write_text(json.dumps({**result, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
