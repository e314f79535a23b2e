"""Multi-fidelity strategies on NAS-Bench-201 against random search at the same epochs.

python benchmarks/nasbench201_asha.py [seeds] [data sets]      (default: 300 seeds, all three)

The budget is 100 full trainings (20,000 epochs). The rungs are the table's 12 and 200 epochs, all
else is as shipped. The objective is the validation accuracy after 200 epochs; the figure is the
test accuracy of the best by validation among the cells trained for 200 epochs. A training that
ends after the 20,000th epoch does not count. p is that of Welch's t-test against random search
(one-sided: better).
"""

import json
import math
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from hydra import compose, initialize_config_dir
from scipy.stats import ttest_ind

from nascli.commands import build
from nascli.config import root
from nascli.core.budget import Budget
from nascli.core.loop import Evaluation, Search
from nascli.workers.serial import Serial

TRIALS = 100
RUNGS = "strategy.fidelities=[0.06,1.0]"
STRATEGIES = {"random": (), "asha": (RUNGS,), "hyperband": (RUNGS,), "bohb": (RUNGS,)}
RESULT = Path(__file__).parent / "results" / "nasbench201_asha.json"


def searched(strategy: str, dataset: str, seeds: int) -> list[tuple[float, int]]:
    """By seed: the figure, and how many cells were trained in full."""
    chosen = [f"strategy={strategy}", "space=nasbench201", "estimator=table", "device=none"]
    chosen += [f"estimator.dataset={dataset}", *STRATEGIES[strategy]]
    with initialize_config_dir(str(root()), version_base="1.3"):
        config = compose("search", overrides=chosen)
    parts = build.search(config)
    (table,) = parts.estimators
    found = []
    for seed in range(seeds):
        problem = replace(parts.problem, seed=seed)
        evaluation = Evaluation(problem, (table,))
        budget = Budget(trials=TRIALS)
        proposed = build.component(config, "strategy", problem)
        search = Search(proposed, evaluation, Serial(lambda e=evaluation: e), budget)
        full = []

        def ended(trial, full=full, budget=budget):
            if trial.fidelity == 1 and budget.used < TRIALS + 1e-6:
                full.append(trial)

        search.run(ended)
        best = min(full, key=problem.loss)
        found.append((table.final(best.genotype)["test_accuracy"], len(full)))
    return found


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rows = []
    for dataset in sys.argv[2:] or ("cifar10", "cifar100", "imagenet16"):
        figures: dict[str, list[float]] = {}
        for strategy in STRATEGIES:
            start = time.perf_counter()
            found = searched(strategy, dataset, seeds)
            figures[strategy] = [figure for figure, _ in found]
            row = {
                "data set": dataset,
                "strategy": strategy,
                "mean_test_accuracy": round(statistics.mean(figures[strategy]), 3),
                "deviation": round(statistics.stdev(figures[strategy]), 3),
                "standard_error": round(statistics.stdev(figures[strategy]) / math.sqrt(seeds), 3),
                "trained_in_full": round(statistics.mean(count for _, count in found), 1),
                "seconds_a_search": round((time.perf_counter() - start) / seeds, 4),
            }
            if strategy != "random":
                test = ttest_ind(
                    figures[strategy], figures["random"], equal_var=False, alternative="greater"
                )
                row["p_against_random"] = float(f"{test.pvalue:.2g}")
            rows.append(row)
            print(row, flush=True)
    result = {"command": "python " + " ".join(sys.argv), "seeds": seeds, "epochs": 200 * TRIALS}
    RESULT.write_text(json.dumps({**result, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
