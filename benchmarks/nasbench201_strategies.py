"""Evolution and local search on NAS-Bench-201: accuracies found, and queries to the optimum.

python benchmarks/nasbench201_strategies.py [seeds]      (default: 300)

A query is a distinct cell. The objective is the validation accuracy after 200 epochs, the figure
the test accuracy of the best cell by validation, in percent.
"""

import statistics
import sys

import tabular

ROWS = {
    "evolution": ["strategy=evolution", "strategy.population=30", "strategy.tournament=10"],
    "local_search": ["strategy=local_search"],
}
AT = (50, 100, 200)
ENOUGH = 15_625  # cells; a strategy that repeats itself may end before it has found the best


def row(overrides: list[str], dataset: str, seeds: int) -> dict[str, object]:
    found = {at: [] for at in AT}
    steps = []
    for seed in range(seeds):
        enough = tabular.until_optimum(dataset, max(AT))
        history, _ = tabular.searched(
            [*overrides, f"budget.trials={ENOUGH}"], seed, dataset, enough
        )
        trials = tabular.queries(history)
        for at in AT:
            found[at].append(tabular.test_accuracy(trials[:at], dataset))
        steps.append(min(tabular.queries_to_optimum(trials, dataset), ENOUGH))
    return {
        "test_accuracy": {str(at): tabular.mean(values) for at, values in found.items()},
        "queries_to_optimum": tabular.mean(steps) | {"median": statistics.median(steps)},
    }


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rows = {}
    for name, overrides in ROWS.items():
        for dataset in tabular.DATASETS:
            rows[f"{name} {dataset}"] = {"overrides": overrides, **row(overrides, dataset, seeds)}
            print(name, dataset, rows[f"{name} {dataset}"])
    tabular.save("nasbench201_strategies", {"seeds": seeds, "rows": rows})


if __name__ == "__main__":
    main()
