"""REINFORCE on NAS-Bench-201 beside its published figure.

python benchmarks/nasbench201_reinforce.py [seeds] [data sets]      (default: 60 seeds, all three)

All is as shipped. The objective is the validation accuracy after 200 epochs; the figure is the test
accuracy of the best by validation after so many queries (repeats of a known cell are no queries).
Published (Dong and Yang 2020, arXiv 2001.00326, Table 5; searched on CIFAR-10): 93.85 +- 0.37 test
accuracy on CIFAR-10, at a simulated time that buys about 70 to 100 queries.
"""

import sys
import time

import tabular
import torch

QUERIES = (100, 200, 500)
PUBLISHED = {"source": "arXiv 2001.00326, Table 5", "cifar10": 93.85, "deviation": 0.37}


def rows(dataset: str, seeds: int) -> list[dict[str, object]]:
    """The figure at each of QUERIES; with the last, what a proposal takes."""
    start = time.perf_counter()
    figures: dict[int, list[float]] = {queries: [] for queries in QUERIES}
    proposals = 0
    for seed in range(seeds):
        overrides = ["strategy=reinforce", f"budget.trials={max(QUERIES)}"]
        history, _ = tabular.searched(overrides, seed, dataset)
        trials = tabular.queries(history)
        for queries, found in figures.items():
            found.append(tabular.test_accuracy(trials[:queries], dataset))
        proposals += len(history)
    made = [
        {"data set": dataset, "queries": queries, "test_accuracy": tabular.mean(found)}
        for queries, found in figures.items()
    ]
    made[-1]["proposals"] = round(proposals / seeds)
    made[-1]["ms_a_proposal"] = round((time.perf_counter() - start) / proposals * 1e3, 2)
    return made


def main() -> None:
    torch.set_num_threads(1)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    found = []
    for dataset in sys.argv[2:] or tabular.DATASETS:
        found += rows(dataset, seeds)
        print(*found[-len(QUERIES) :], sep="\n", flush=True)
    result = {"seeds": seeds, "published": PUBLISHED, "rows": found}
    tabular.save("nasbench201_reinforce", result)


if __name__ == "__main__":
    main()
