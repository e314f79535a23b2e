"""Ten latency budgets over NAS-Bench-201: is the answer below each, and as accurate as random's?

python benchmarks/latency_budgets.py [--part table gradient pool] [--seeds 100] [--trained 30]

`table`: evolution, reinforce and random look cells up, 100 queries each (cells over the budget are
not queried) or 2,000 proposals, on two settings of the shipped latencies. `gradient`:
`strategy=beta_darts` under `constraints.latency_ms` trains the smallest supernet (8 channels, a
cell a stage, 16 epochs) on digits; its answer is looked up. An epoch of it costs as much as one of
about five such networks. So two random searches of five stand beside it: `random_trained` takes the
best on digits of five cells that keep the budget, of those that `pool` has trained at the same size
for as many epochs (30 draws); `random_5` is told more, what 200 epochs on CIFAR-10 have found.

Budgets are the latencies that 5, 15, ... 95 % of the cells keep. Accuracies are the answers' on
CIFAR-10's test split after 200 epochs; `interval` is the mean's, 95 %, by Student's t.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tabular
from scipy import stats

import nascli
from nascli.tables.nasbench201 import shipped

NAME = "latency_budgets"
SETTINGS = ("titan_rtx_256", "eyeriss")
QUERIES = {"random": 100, "evolution": 100, "reinforce": 100, "random_5": 5}
EPOCHS = 16
OF = 5  # networks whose training costs as much as a supernet's
SMALL = [
    "space=nasbench201", "space.channels=8", "space.cells_per_stage=1", "data=digits",
    f"training.epochs={EPOCHS}", "threads=1",
]  # fmt: skip


def budgets(setting: str) -> list[float]:
    """Milliseconds, rounded up to what a command line has."""
    ms = np.quantile(shipped().latencies(setting), np.arange(0.05, 1, 0.1))
    return [math.ceil(1e3 * value) / 1e3 for value in ms]


def looked_up(row: str, setting: str, budget: float, seed: int) -> tuple[float, float]:
    """Latency and test accuracy of the answer of a search on the table."""
    history, problem = tabular.searched(
        [
            f"strategy={row.split('_')[0]}", f"estimator.latency={setting}",
            f"constraints.latency_ms={budget}", f"budget.trials={QUERIES[row]}",
            "budget.proposals=2000",
        ],
        seed,
    )  # fmt: skip
    best = history.best(problem.goal)
    assert best is not None
    return best.metrics["latency_ms"], told(best.genotype.options)


def trained(setting: str, budget: float, seed: int, folder: Path) -> tuple[float, float]:
    """The same of a gradient search."""
    run = nascli.search(
        "strategy=beta_darts", *SMALL, "device=nasbench201_devices",
        f"device.setting={setting}", f"constraints.latency_ms={budget}",
        seed=seed, outputs=folder / f"{setting}-{budget}-{seed}",
    )  # fmt: skip
    assert run.genotype is not None
    options = run.genotype.options
    return shipped().latencies(setting)[shipped().number(options)], told(options)


def pooled(outputs: Path) -> dict[str, float]:
    """Cell -> its accuracy on digits, of all runs of random search in a folder."""
    found = {}
    for history in sorted(outputs.glob("search/*/history.jsonl")):
        for line in history.read_text().splitlines():
            trial = json.loads(line)
            cell = ",".join(trial["genotype"]["choices"].values())
            found[cell] = round(trial["metrics"]["accuracy"], 3)
    return found


def of_five(pool: dict[str, float], setting: str, budget: float, seed: int) -> tuple[float, float]:
    """The best on digits of five cells of the pool that keep the budget."""
    latencies = shipped().latencies(setting)
    cells = {cell: tuple(cell.split(",")) for cell in sorted(pool)}
    ms = {cell: float(latencies[shipped().number(options)]) for cell, options in cells.items()}
    kept = [cell for cell in cells if ms[cell] <= budget]
    best = max(random.Random(seed).sample(kept, OF), key=pool.__getitem__)
    return ms[best], told(cells[best])


def told(options: tuple[str, ...]) -> float:
    values, rows = tabular.column("cifar10", "test")
    return float(values[rows[options]])


def summed(found: list[tuple[float, float]], budget: float) -> dict[str, Any]:
    """Of all seeds at one budget."""
    accuracies = [accuracy for _, accuracy in found]
    mean, half = statistics.mean(accuracies), None
    if len(accuracies) > 1:
        error = statistics.stdev(accuracies) / math.sqrt(len(accuracies))
        half = float(stats.t.ppf(0.975, len(accuracies) - 1)) * error
    return {
        "kept": f"{sum(ms <= budget for ms, _ in found)} of {len(found)}",
        "largest_ms": round(max(ms for ms, _ in found), 4),
        "mean": round(mean, 2),
        "interval": half and [round(mean - half, 2), round(mean + half, 2)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", default=["table", "gradient", "pool"])
    parser.add_argument("--seeds", type=int, default=100, help="of searches on the table")
    parser.add_argument("--trained", type=int, default=30, help="seeds of the gradient searches")
    parser.add_argument("--pool", type=int, default=500, help="cells that are trained on digits")
    parser.add_argument("--settings", nargs="+", default=SETTINGS, choices=SETTINGS)
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / NAME)
    options = parser.parse_args()
    file = tabular.RESULTS / f"{NAME}.json"
    result = json.loads(file.read_text()) if file.exists() else {}
    result.pop("command", None)
    result["epochs_of_gradient"] = EPOCHS
    result["gradient_runs"] = runs = result.get("gradient_runs", {})
    rows = {**QUERIES} if "table" in options.part else {}
    for setting in options.settings:
        own = result.setdefault(setting, {})
        for budget in budgets(setting):
            at = own.setdefault(str(budget), {})
            for row in rows:
                if row not in at:
                    found = [looked_up(row, setting, budget, s) for s in range(options.seeds)]
                    at[row] = summed(found, budget)
                    print(setting, budget, row, at[row], flush=True)
            tabular.save(NAME, result)
    for seed in range(options.trained if "gradient" in options.part else 0):
        for setting in options.settings:
            for budget in budgets(setting):
                name = f"{setting} {budget} {seed}"
                if name not in runs:
                    runs[name] = trained(setting, budget, seed, options.runs)
                    print(name, runs[name], flush=True)
                found = [runs[n] for n in runs if n.startswith(f"{setting} {budget} ")]
                result[setting][str(budget)]["gradient"] = summed(found, budget)
                tabular.save(NAME, result)
    if "pool" in options.part:
        outputs = options.runs / "pool"
        missing = options.pool - len(pooled(outputs))
        if missing > 0:
            nascli.search(
                "strategy=random", "estimator=train", *SMALL, "device=none",
                f"budget.trials={missing}", seed=len(pooled(outputs)), outputs=outputs,
            )  # fmt: skip
        result["pool"] = pool = pooled(outputs)
        for setting in options.settings:
            for budget in budgets(setting):
                found = [of_five(pool, setting, budget, seed) for seed in range(options.trained)]
                result[setting][str(budget)]["random_trained"] = summed(found, budget)
        tabular.save(NAME, result)


if __name__ == "__main__":
    main()
