"""NSGA-II on NAS-Bench-201 beside random search: the exact hypervolume, accuracy against MFLOPs.

python benchmarks/nasbench201_nsga2.py [seeds]      (default: 300)

Losses are x = MFLOPs / 220.11969 (multiply-adds in millions, on CIFAR-10 whatever the data set,
over the largest network's) and minus the validation accuracy as a share; the reference is (1, 0).
Random search comes close to the whole of it within 500 trials, so what tells the two apart is how
soon: the percent after 100, 200 and 500 trials, and the trials until 99 % (those that have not come
there after 500 count as 500; `missed` says how many). `above_random` is the difference of the means
with Welch's 95 % interval, p the U test's, Holm-corrected for all of a data set; a run is the unit.
"""

import math
import sys

import tabular

from nascli.analysis.significance import contrasts, holm
from nascli.core.pareto import hypervolume, nondominated
from nascli.core.trial import History

LARGEST = 220.11969e6  # multiply-adds
TRIALS = (100, 200, 500)
SHARE = 0.99
WANTED = "objectives={accuracy: max, macs: min}"


def exact(dataset: str) -> History:
    """All 15,625 cells."""
    return tabular.searched(["strategy=grid", "budget.trials=null"], 0, dataset)[0]


def volumes(history: History, macs: dict[tuple[str, ...], float]) -> list[float]:
    """What the first n trials of a history dominate, for every n from 1."""
    front: list[tuple[float, float]] = []
    found = [0.0]
    for trial in history:
        x, y = macs[trial.genotype.options] / LARGEST, -trial.metrics["accuracy"] / 100
        if any(a <= x and b <= y for a, b in front):
            found.append(found[-1])
            continue
        front = [(a, b) for a, b in front if not (x <= a and y <= b)] + [(x, y)]
        found.append(hypervolume(front, (1.0, 0.0)))
    return found[1:]


def figures(volume: list[float], whole: float) -> dict[str, float]:
    """Of one search."""
    there = [n for n, v in enumerate(volume, 1) if v >= SHARE * whole]
    found = {f"percent_{n}": 100 * volume[min(n, len(volume)) - 1] / whole for n in TRIALS}
    return found | {"trials_to_99": there[0] if there else math.inf}


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    macs = {trial.genotype.options: trial.metrics["macs"] for trial in exact("cifar10")}
    rows = {}
    for dataset in tabular.DATASETS:
        everything = exact(dataset)
        points = [
            (macs[t.genotype.options] / LARGEST, -t.metrics["accuracy"] / 100) for t in everything
        ]
        whole = hypervolume([points[index] for index in nondominated(points)], (1.0, 0.0))
        runs: dict[str, list[dict[str, float]]] = {}
        for strategy in ("nsga2", "random"):
            overrides = [f"strategy={strategy}", WANTED, f"budget.trials={max(TRIALS)}"]
            histories = (tabular.searched(overrides, seed, dataset)[0] for seed in range(seeds))
            runs[strategy] = [figures(volumes(history, macs), whole) for history in histories]
        rows[dataset] = {"exact_hypervolume": round(whole, 5)} | compared(runs)
        print(dataset, rows[dataset], flush=True)
    tabular.save("nasbench201_nsga2", {"seeds": seeds, "rows": rows})


def compared(runs: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, object]]:
    """Every figure of both, and how far they lie apart."""
    rows: dict[str, dict[str, object]] = {}
    values = []
    for name in runs["nsga2"][0]:
        told = {s: [min(run[name], max(TRIALS)) for run in found] for s, found in runs.items()}
        row: dict[str, object] = {
            s: tabular.mean(v) | {"worst": _worst(v, name)} for s, v in told.items()
        }
        if name == "trials_to_99":
            row["missed"] = {s: sum(math.isinf(r[name]) for r in f) for s, f in runs.items()}
        sign = 1 if name == "trials_to_99" else -1
        losses = {s: [sign * v for v in found] for s, found in told.items()}
        numbers = range(len(told["nsga2"]))
        (one,) = contrasts(losses, dict.fromkeys(losses, numbers), pairs=False)
        lead, *bounds = (-sign * (x or 0.0) for x in (one.lead, one.low, one.high))
        row["above_random"] = [round(x, 3) for x in (lead, *sorted(bounds))]
        values.append(1.0 if one.p is None else one.p)
        rows[name] = row
    for row, p in zip(rows.values(), holm(values), strict=True):
        row["p"] = float(f"{p:.2g}")
    return rows


def _worst(values: list[float], name: str) -> float:
    return round((max if name == "trials_to_99" else min)(values), 3)


if __name__ == "__main__":
    main()
