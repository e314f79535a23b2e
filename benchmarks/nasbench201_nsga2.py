"""NSGA-II on NAS-Bench-201: the share of the exact hypervolume, accuracy against MFLOPs.

python benchmarks/nasbench201_nsga2.py [seeds]      (default: 300)

Losses are x = MFLOPs / 220.11969 (multiply-adds in millions, on CIFAR-10 whatever the data set,
over the largest network's) and minus the validation accuracy as a share; the reference is (1, 0).
"""

import sys

import tabular

from nascli.core.pareto import hypervolume, nondominated
from nascli.core.trial import History

LARGEST = 220.11969e6  # multiply-adds
TRIALS = 500
WANTED = "objectives={accuracy: max, macs: min}"


def exact(dataset: str) -> History:
    """All 15,625 cells."""
    return tabular.searched(["strategy=grid", "budget.trials=null"], 0, dataset)[0]


def volume(history: History, macs: dict[tuple[str, ...], float]) -> float:
    """What the trials of a history dominate."""
    points = [(macs[t.genotype.options] / LARGEST, -t.metrics["accuracy"] / 100) for t in history]
    return hypervolume([points[index] for index in nondominated(points)], (1.0, 0.0))


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    macs = {trial.genotype.options: trial.metrics["macs"] for trial in exact("cifar10")}
    rows = {}
    for dataset in tabular.DATASETS:
        whole = volume(exact(dataset), macs)
        row = {"exact_hypervolume": round(whole, 5)}
        for strategy in ("nsga2", "random"):
            overrides = [f"strategy={strategy}", WANTED, f"budget.trials={TRIALS}"]
            found = [tabular.searched(overrides, seed, dataset)[0] for seed in range(seeds)]
            shares = [100 * volume(history, macs) / whole for history in found]
            row[f"{strategy}_percent"] = tabular.mean(shares) | {"worst": round(min(shares), 3)}
        rows[dataset] = row
        print(dataset, row)
    tabular.save("nasbench201_nsga2", {"seeds": seeds, "trials": TRIALS, "rows": rows})


if __name__ == "__main__":
    main()
