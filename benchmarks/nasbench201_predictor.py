"""The predictor strategy on NAS-Bench-201: accuracy after so many queries, queries to the optimum.

python benchmarks/nasbench201_predictor.py [seeds] [strategy override ...]    (default: 300 seeds)

The objective is the validation accuracy after 200 epochs; the figure is the test accuracy of the
best by validation. A query is one genotype. A search ends once it has the best of all cells, after
which its figure cannot change, or at 500 queries, which then count as its queries to the optimum.

What was tuned: the sum of kernels, the acquisition (bound or improvement) and kappa (1.5 to 3
differ little), on these three tables with other random draws than those of the seeds reported here.
"""

import statistics
import sys
import time

import tabular

MARKS, LIMIT = (50, 100, 200), 500
SAVED = {  # overrides -> where their result is kept
    (): "nasbench201_predictor",
    ("surrogate@strategy.surrogate=gaussian_process_graph",): "nasbench201_predictor_graph",
}


def row(overrides: list[str], dataset: str, seeds: int) -> dict[str, object]:
    """Figures after each mark, and queries to the optimum."""
    start = time.perf_counter()
    figures: dict[int, list[float]] = {mark: [] for mark in MARKS}
    queries = []
    for seed in range(seeds):
        found = tabular.until_optimum(dataset, 0)
        history, _ = tabular.searched([*overrides, f"budget.trials={LIMIT}"], seed, dataset, found)
        trials = tabular.queries(history)
        for mark, values in figures.items():
            values.append(tabular.test_accuracy(trials[:mark], dataset))
        queries.append(min(tabular.queries_to_optimum(trials, dataset), LIMIT))
    return {
        "test_accuracy": {str(mark): tabular.mean(values) for mark, values in figures.items()},
        "queries_to_optimum": tabular.mean(queries) | {"median": statistics.median(queries)},
        "searches_without_it": sum(count >= LIMIT for count in queries),
        "milliseconds_per_query": round((time.perf_counter() - start) * 1e3 / sum(queries), 1),
    }


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    overrides = ["strategy=predictor", *sys.argv[2:]]
    rows = {}
    for dataset in tabular.DATASETS:
        rows[dataset] = row(overrides, dataset, seeds)
        print(dataset, rows[dataset], flush=True)
    if tuple(sys.argv[2:]) in SAVED:
        tabular.save(SAVED[tuple(sys.argv[2:])], {"seeds": seeds, "rows": rows})


if __name__ == "__main__":
    main()
