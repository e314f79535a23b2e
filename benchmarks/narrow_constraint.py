"""How long strategies look for the first network that keeps a constraint met by 1 in 10,000.

python benchmarks/narrow_constraint.py [seeds]      (default: 100)

NAS-Bench-201 with the latency of a Pixel 3 phone: the bound is that of the second fastest cell, so
two of the 15,625 cells keep it. Proposals and seconds are those until the first one was found.
"""

import statistics
import sys
import time

import tabular

LATENCY = "estimator.latency=pixel3"
STRATEGIES = ("random", "evolution", "local_search", "nsga2")


def bound() -> tuple[float, int]:
    """The second smallest latency in ms, and how many cells keep it."""
    overrides = ["strategy=grid", LATENCY, "budget.trials=null"]
    history, _ = tabular.searched(overrides, 0)
    values = sorted(trial.metrics["latency_ms"] for trial in history)
    return values[1], sum(value <= values[1] for value in values)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    limit, cells = bound()
    rows = {}
    for strategy in STRATEGIES:
        overrides = [f"strategy={strategy}", LATENCY, f"constraints.latency_ms={limit}"]
        looked, seconds, found = [], [], 0
        for seed in range(seeds):
            start = time.perf_counter()
            history, problem = tabular.searched(
                [*overrides, "budget.trials=1", "budget.proposals=20000"], seed
            )
            seconds.append(time.perf_counter() - start)
            looked.append(len(history))
            found += history.best(problem.goal) is not None
        rows[strategy] = {
            "found": f"{found} of {seeds}",
            "median_proposals": statistics.median(looked),
            "most_proposals": max(looked),
            "median_seconds": round(statistics.median(seconds), 3),
        }
        print(strategy, rows[strategy])
    result = {"bound_ms": limit, "cells_that_keep_it": cells, "of": 15_625}
    tabular.save("narrow_constraint", {**result, "seeds": seeds, "rows": rows})


if __name__ == "__main__":
    main()
