"""Gradient searches of small NAS-Bench-201 supernets on real CIFAR-10 images, scored on the table.

python benchmarks/nasbench201_supernets.py IMAGES [--rows ...] [--seeds 3] [--jobs 2]
                                           [--runs FOLDER]

IMAGES is CIFAR-10 as class folders (IMAGES/train/<class>/...). Each run is `nas search` with the
settings below on one thread, `--jobs` at a time; results/nasbench201_supernets.json keeps those
that are done, which are not run again, so it may be stopped at any time and rows or seeds added.

The supernet has one cell a stage and 8 channels where 5 and 16 are published, and 9,000 images to
train on, half for each level (1,000 validate). In 15 epochs it makes 1,050 architecture steps
instead of 19,550, so their learning rate is ten times the published 3e-4, the same for every
method. Those that train single paths, at a third of the cost, get three times the epochs. Rows that
end in `_deep` have the published five cells a stage, on images of 16 pixels, and 8 epochs. Rows
that end in `_small` or `_small_deep` are a quarter of the work: images of 16 pixels, 4,500 to train
on, and twice that learning rate for half the architecture steps.

The genotype of every epoch is looked up: its test accuracy on CIFAR-10 after 200 epochs, mean over
the table's seeds (runs measured before this was kept have every fifth of the epochs, or so).
`answer` is what the search recommended (until now the best epoch by validation), `last` the last
epoch's, as the papers take it. `rules` is what other answers would have been: the study of which
epoch a search should answer with (see `answers`). `before` are the runs of `random_ws` and `gdas`
from before they came closer to their papers; no row has them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Any

from tabular import RESULTS, column, mean, save

SETTINGS = [
    "space=nasbench201", "space.channels=8", "space.cells_per_stage=1", "device=none", "threads=1",
    "training=search", "training.architecture.learning_rate=0.003", "data=image_folder",
    "data.split_rule=1", "data.limit_train=10000",
]  # fmt: skip
DEEP = ["space.cells_per_stage=5", "data.image_size=16"]
SMALL = [
    "data.image_size=16", "data.limit_train=5000", "training.architecture.learning_rate=0.006",
]  # fmt: skip
EPOCHS, PATHS, SHORT = 15, 45, 8
ROWS = {
    "darts": EPOCHS, "darts_2nd": EPOCHS, "drnas": EPOCHS, "random_ws": PATHS, "gdas": PATHS,
    "pc_darts": EPOCHS, "beta_darts": EPOCHS, "snas": EPOCHS, "darts_deep": SHORT,
    "beta_darts_deep": SHORT, "snas_deep": SHORT,
    "darts_small_deep": SHORT, "beta_darts_small_deep": SHORT, "snas_small_deep": SHORT,
    "pc_darts_small_deep": SHORT, "sdarts_rs_small_deep": SHORT, "drnas_small_deep": SHORT,
    "darts_small": EPOCHS, "beta_darts_small": EPOCHS, "snas_small": EPOCHS,
    "pc_darts_small": EPOCHS, "drnas_small": EPOCHS, "gdas_small": PATHS,
    "sdarts_adv_small": EPOCHS, "darts_pt_small": EPOCHS, "robust_darts_small": EPOCHS,
}  # fmt: skip
PUBLISHED = {  # test accuracy on CIFAR-10 as the papers and the benchmark's own report it
    "darts": 54.30,  # these as listed by Zheng et al. 2023 (GENIUS, arXiv 2304.10970), Table 1
    "darts_2nd": 54.30,
    "gdas": 93.61,
    "snas": 92.77,
    "pc_darts": 93.41,
    "drnas": 94.36,
    "beta_darts": 94.36,
    "random, 100 queries": 93.78,
}
NAME = "nasbench201_supernets"


def searched(row: str, seed: int, options: argparse.Namespace) -> Path:
    """The run folder of one search; an interrupted one goes on."""
    outputs = options.runs / f"{row}-{seed}"
    before = sorted((outputs / "search").glob("*"))
    command = ["nas", "search", *words(row), f"data.path={options.images}", f"seed={seed}"]
    command.append(f"outputs={outputs}")
    if before:
        command = ["nas", "search", f"resume={before[-1]}"]
    print(" ".join(command), flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return max((outputs / "search").glob("*"))


def words(row: str) -> list[str]:
    """What a row's searches are told."""
    small = SMALL if "_small" in row else []
    deep = DEEP if row.endswith("_deep") else []
    return [f"strategy={method(row)}", *SETTINGS, f"training.epochs={ROWS[row]}", *deep, *small]


def method(row: str) -> str:
    """The strategy of a row."""
    return row.removesuffix("_deep").removesuffix("_small")


def read(run: Path) -> dict[str, Any]:
    """What the table says of a finished run."""
    values, rows = column("cifar10", "test")
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    answer = json.loads((run / "genotype.json").read_text())

    def cell(genotype: dict[str, Any]) -> int:
        return rows[tuple(genotype["choices"].values())]

    def accuracy(genotype: dict[str, Any]) -> float:
        return round(float(values[cell(genotype)]), 2)

    epochs = [
        {
            "epoch": trial["number"] + 1,
            "cell": cell(trial["genotype"]),
            "test": accuracy(trial["genotype"]),
            **{
                name: round(trial["metrics"][name], 3)
                for name in ("accuracy", "path_accuracy", "skips_cell", "entropy")
                if name in trial["metrics"]
            },
        }
        for trial in history
    ]
    return {
        "answer": accuracy(answer),
        "last": accuracy(history[-1]["genotype"]),
        "epochs_of_mostly_skips": sum(trial["metrics"]["skips_cell"] > 3 for trial in history),
        "minutes": round(history[-1]["elapsed"] / 60, 1),
        "epochs": epochs,
    }


def table(runs: dict[str, Any]) -> dict[str, Any]:
    """Means over the seeds of each row, beside the published figure."""
    found: dict[str, Any] = {}
    for row, epochs in ROWS.items():
        own = [run for name, run in runs.items() if name.split(" ")[0] == row]
        if own:
            found[row] = {
                "answer": mean([run["answer"] for run in own]),
                "least": min(run["answer"] for run in own),
                "last": mean([run["last"] for run in own]),
                "skips_at_the_end": round(
                    statistics.mean(run["epochs"][-1]["skips_cell"] for run in own), 2
                ),
                "share_of_epochs_of_mostly_skips": round(
                    statistics.mean(run["epochs_of_mostly_skips"] for run in own) / epochs, 2
                ),
                "seeds": len(own),
                "epochs": epochs,
                "minutes": round(statistics.mean(run["minutes"] for run in own), 1),
                "published": PUBLISHED.get(method(row)),
            }
    cells = column("cifar10", "test")[0]
    found["a random cell"] = {"mean": round(float(cells.mean()), 2)}
    return found


def answers(run: dict[str, Any]) -> dict[str, float]:
    """Rule -> the test accuracy of the epoch that it answers with.

    `best` by what validates the epochs, `last`, `late`: the best of the last third, `settled`: the
    last of the longest time that consecutive epochs agreed; where the mixture is validated, `path`
    and `late_path` by the accuracy of the path, its batch norms recalibrated. Of equals the first.
    """
    epochs = run["epochs"]
    if "cell" not in epochs[0]:  # kept in part
        return {"best": run["answer"], "last": run["last"]}
    late = epochs[-(len(epochs) // 3) :]
    agreed = [list(same) for _, same in itertools.groupby(epochs, key=itemgetter("cell"))]
    found = {
        "best": max(epochs, key=itemgetter("accuracy")),
        "last": epochs[-1],
        "late": max(late, key=itemgetter("accuracy")),
        "settled": max(agreed, key=len)[-1],
    }
    if "path_accuracy" in epochs[0]:
        found["path"] = max(epochs, key=itemgetter("path_accuracy"))
        found["late_path"] = max(late, key=itemgetter("path_accuracy"))
    return {rule: epoch["test"] for rule, epoch in found.items()}


def rules(runs: dict[str, Any]) -> dict[str, Any]:
    """What other answers would have been, where the mixture is scored and where paths are.

    Those of the six searches on digits in nasbench201_fbnet.json, 20 epochs each, are with them.
    """
    file = RESULTS / "nasbench201_fbnet.json"
    digits = json.loads(file.read_text())["runs"] if file.exists() else {}
    found: dict[str, dict[str, Any]] = {"mixture": {}, "path": {}}
    for name, run in runs.items():
        scored = "mixture" if "path_accuracy" in run["epochs"][-1] else "path"
        found[scored][name] = answers(run)
    for name, run in digits.items():
        both = {rule: run[key]["test"] for rule, key in (("best", "answer"), ("last", "last"))}
        found["mixture"][f"{name} digits"] = both
    told: dict[str, Any] = {}
    for scored, each in found.items():
        if not each:
            continue
        pairs = [(one["best"], one["last"]) for one in each.values()]
        told[scored] = {
            "runs": len(each),
            "best": mean([best for best, _ in pairs]) | {"least": min(b for b, _ in pairs)},
            "last": mean([last for _, last in pairs]) | {"least": min(v for _, v in pairs)},
            "best_ahead": sum(best > last for best, last in pairs),
            "last_ahead": sum(best < last for best, last in pairs),
            "each": each,
        }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / NAME)
    options = parser.parse_args()
    file = RESULTS / f"{NAME}.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    runs, before = kept.get("runs", {}), kept.get("before", {})
    lock = Lock()

    def one(row: str, seed: int) -> None:
        name = f"{row} {seed}"
        if name in runs:
            return
        found = read(searched(row, seed, options))
        with lock:
            runs[name] = found
            keep()
            print(name, found["answer"], found["last"], f"{found['minutes']} min", flush=True)

    def keep() -> None:
        save(
            NAME,
            {
                "command": f"python benchmarks/{NAME}.py IMAGES",
                "settings": {row: " ".join(words(row)) for row in ROWS},
                "published": PUBLISHED,
                "table": table(runs),
                "rules": rules(runs | {f"{name} before": run for name, run in before.items()}),
                "runs": dict(sorted(runs.items())),
                "before": before,
            },
        )

    keep()
    with ThreadPoolExecutor(options.jobs) as pool:
        pairs = [(row, seed) for seed in range(options.seeds) for row in options.rows]
        for done in [pool.submit(one, *pair) for pair in pairs]:
            done.result()


if __name__ == "__main__":
    main()
