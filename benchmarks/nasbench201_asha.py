"""Multi-fidelity strategies on NAS-Bench-201 against random search at the same epochs.

python benchmarks/nasbench201_asha.py [seeds] [data sets]      (default: 300 seeds, all three)

The budget is 100 full trainings (20,000 epochs). The rungs are the table's 12 and 200 epochs, all
else is as shipped. The objective is the validation accuracy after 200 epochs; the figure is the
test accuracy of the best by validation among the cells trained for 200 epochs. A training that
ends after the 20,000th epoch does not count. The unit is a run, and runs of equal seeds do not
pair, for strategies share no draw; `above_random` is the difference of the means with Welch's 95 %
interval, and p the U test's, Holm-corrected for all that stand in the table. `once` is what the
12-epoch column alone explains: as many random cells as the rest of the budget has room for are
trained for 12 epochs, and of these the best 52, as many as asha trains in full, for 200 more.
"""

import sys
from typing import Any

import numpy as np
import tabular

from nascli.analysis.significance import contrasts, holm
from nascli.core.budget import Budget
from nascli.core.trial import Trial

TRIALS = 100
RUNGS = "strategy.fidelities=[0.06,1.0]"
STRATEGIES = {"random": [], "asha": [RUNGS], "hyperband": [RUNGS], "bohb": [RUNGS]}


def searched(strategy: str, dataset: str, seeds: int) -> list[tuple[float, int]]:
    """By seed: the figure, and how many cells were trained in full."""
    overrides = [f"strategy={strategy}", f"budget.trials={TRIALS}", *STRATEGIES[strategy]]
    found = []
    for seed in range(seeds):
        full: list[Trial] = []

        def ended(trial: Trial, budget: Budget, full: list[Trial] = full) -> bool:
            if trial.fidelity == 1 and budget.used < TRIALS + 1e-6:
                full.append(trial)
            return False

        tabular.searched(overrides, seed, dataset, ended)
        found.append((tabular.test_accuracy(full, dataset), len(full)))
    return found


def once(dataset: str, seeds: int, full: int = 52) -> dict[str, Any]:
    """The row of one sorting by the 12-epoch column."""
    early, late = (tabular.column(dataset, "valid", epochs)[0] for epochs in (12, 200))
    test = tabular.column(dataset, "test")[0]
    count, found = 200 * (TRIALS - full) // 12, []
    for seed in range(seeds):
        cells = np.random.default_rng(seed).choice(len(early), count, replace=False)
        best = cells[np.argsort(-early[cells], kind="stable")[:full]]
        found.append(float(test[best[late[best].argmax()]]))
    told = {"data set": dataset, "strategy": "once", "test_accuracy": tabular.mean(found)}
    return told | {"trained_in_full": full, "trained_for_12_epochs": count}


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rows: list[dict[str, Any]] = []
    for dataset in sys.argv[2:] or tabular.DATASETS:
        figures: dict[str, list[float]] = {}
        for strategy in STRATEGIES:
            found = searched(strategy, dataset, seeds)
            figures[strategy] = [figure for figure, _ in found]
            row: dict[str, Any] = {
                "data set": dataset,
                "strategy": strategy,
                "test_accuracy": tabular.mean(figures[strategy]),
                "trained_in_full": round(sum(count for _, count in found) / seeds, 1),
            }
            if strategy != "random":
                losses = {name: [-v for v in figures[name]] for name in (strategy, "random")}
                (one,) = contrasts(losses, dict.fromkeys(losses, range(seeds)), pairs=False)
                row["above_random"] = [
                    round(v, 3) for v in (one.lead, one.low, one.high) if v is not None
                ]
                row["p_against_random"] = one.p
            rows.append(row)
            print(row, flush=True)
        rows.append(once(dataset, seeds))
    tested = [row for row in rows if row.get("p_against_random") is not None]
    for row, p in zip(tested, holm([row["p_against_random"] for row in tested]), strict=True):
        row["p_against_random"] = float(f"{p:.2g}")
    tabular.save("nasbench201_asha", {"seeds": seeds, "epochs": 200 * TRIALS, "rows": rows})


if __name__ == "__main__":
    main()
