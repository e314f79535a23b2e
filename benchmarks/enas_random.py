"""ENAS against random search at equal training steps, judged by NAS-Bench-201's table.

python benchmarks/enas_random.py IMAGES [--seeds 5] [--epochs 20] [--trials 8] [--runs FOLDER]

IMAGES is CIFAR-10 as class folders. All of it is `nas` commands on one thread, one after another;
each leaves its run folder under --runs and is not run again, and one that was stopped goes on.

`enas` trains a supernet (8 channels, one cell a stage) for --epochs on paths that its policy draws,
and scores --trials paths after every epoch, from which the policy learns. `random` trains the same
supernet for as many steps on uniform paths and then scores as many uniform ones. `alone` spends
those steps on a few random networks that are trained for four epochs each, without shared weights.

Each answer is looked up in the table (test accuracy on CIFAR-10 after 200 epochs). `nas compare`
says what the searches themselves saw: accuracies with shared weights, of enas and random.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from one_shot_ranking import QUIET, nas
from scipy.stats import wilcoxon
from tabular import column, mean, save

NAME = "enas_random"
ALONE = 4  # epochs of a network that is trained alone
METHODS = ("enas", "random", "alone")


def words(options: argparse.Namespace, method: str, seed: int) -> list[str]:
    """The search of a method, which takes as many training steps as the others."""
    shared = ["estimator=one_shot", "sampler@estimator.sampler=uniform", "strategy=random"]
    told = {
        "enas": ["strategy=enas", f"strategy.trials={options.trials}"],
        "random": [*shared, f"budget.trials={options.epochs * options.trials}"],
        "alone": ["strategy=random", "estimator=train", f"budget.trials={options.epochs // ALONE}"],
    }[method]
    epochs = ALONE if method == "alone" else options.epochs
    sizes = ["space=nasbench201", "space.channels=8", "space.cells_per_stage=1"]
    data = ["data=image_folder", f"data.path={options.images}", "data.image_size=16"]
    data += [f"data.limit_train={options.train}", "data.valid_fraction=0.25"]
    recipe = ["training=search", f"training.epochs={epochs}", f"seed={seed}"]
    return [*told, *sizes, *data, *recipe, *QUIET]


def read(run: Path) -> dict[str, Any]:
    """What the table says of a search's answer, and of what it has proposed at its end."""
    values, rows = column("cifar10", "test")

    def test(genotype: dict[str, Any]) -> float:
        return float(values[rows[tuple(genotype["choices"].values())]])

    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    last = history[-max(1, len(history) // 10) :]
    return {
        "answer": round(test(json.loads((run / "genotype.json").read_text())), 3),
        "mean of its last tenth": round(float(np.mean([test(t["genotype"]) for t in last])), 3),
        "trials": len(history),
        "minutes": round(history[-1]["elapsed"] / 60, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--trials", type=int, default=8, help="scored after every epoch")
    parser.add_argument("--train", type=int, default=4000, help="images, a quarter of which judge")
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / NAME)
    options = parser.parse_args()
    runs = {
        method: {
            seed: nas(options, f"{method}-{seed}", "search", *words(options, method, seed))
            for seed in range(options.seeds)
        }
        for method in METHODS
    }
    found = {m: {seed: read(run) for seed, run in by.items()} for m, by in runs.items()}
    answers = {m: [one["answer"] for one in by.values()] for m, by in found.items()}
    searched = [str(run) for method in ("enas", "random") for run in runs[method].values()]
    compared = nas(options, "compared", "compare", *searched)
    report = json.loads((compared / "report.json").read_text())
    cells = column("cifar10", "test")[0]
    table: dict[str, Any] = {m: mean(values) for m, values in answers.items()}
    table["a random cell"] = {"mean": round(float(cells.mean()), 2)}
    for other in METHODS[1:]:
        difference = np.subtract(answers["enas"], answers[other])
        table[f"enas - {other}"] = {
            **mean([float(one) for one in difference]),
            "wilcoxon_p": round(float(wilcoxon(difference).pvalue), 3),
        }
    settings = {m: " ".join(words(options, m, 0)[:-3]) for m in METHODS}
    machine = f"{platform.processor() or platform.machine()}, one thread"
    for name, row in table.items():
        print(f"{name:<16} {json.dumps(row)}")
    print(report["description"])
    save(
        NAME,
        {
            "command": f"python benchmarks/{NAME}.py IMAGES",
            "machine": machine,
            "settings": {k: v.replace(str(options.images), "IMAGES") for k, v in settings.items()},
            "table": table,
            "nas compare": {key: report[key] for key in ("description", "table", "tests")},
            "runs": found,
        },
    )


if __name__ == "__main__":
    main()
