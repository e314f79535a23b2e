"""FBNet's product of loss and cost beside SNAS, which has no cost: small NAS-Bench-201 on digits.

python benchmarks/nasbench201_fbnet.py [--seeds 3] [--rows ...] [--runs FOLDER]

Both sample from the Gumbel-softmax, so that only the cost differs; it is counted in multiply-adds.
The supernet has one cell a stage and 8 channels. `last` is the last epoch's genotype, where a
degenerate loss would show, `answer` the search's. Accuracies are NAS-Bench-201's on CIFAR-10's test
split after 200 epochs. results/nasbench201_fbnet.json keeps runs that are done.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tabular import RESULTS, column, mean, save

NAME = "nasbench201_fbnet"
ROWS = ("fbnet", "snas")
EPOCHS = 20
SETTINGS = [
    "space=nasbench201", "space.channels=8", "space.cells_per_stage=1", "device=none", "threads=1",
    "data=digits", f"training.epochs={EPOCHS}",
]  # fmt: skip


def searched(row: str, seed: int, folder: Path) -> dict[str, Any]:
    """What the table says of the answer and of the last epoch's genotype."""
    outputs = folder / f"{row}-{seed}"
    command = ["nas", "search", f"strategy={row}", *SETTINGS, f"seed={seed}", f"outputs={outputs}"]
    print(" ".join(command), flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    run = max((outputs / "search").glob("*"))
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    answer = json.loads((run / "genotype.json").read_text())
    return {
        "answer": told(answer["choices"]),
        "last": told(history[-1]["genotype"]["choices"]),
        "minutes": round(history[-1]["elapsed"] / 60, 1),
    }


def told(choices: dict[str, str]) -> dict[str, Any]:
    """The cell, how many convolutions it has, and its accuracy."""
    values, rows = column("cifar10", "test")
    options = tuple(choices.values())
    convolutions = sum(option.startswith("nor_conv") for option in options)
    test = round(float(values[rows[options]]), 2)
    return {"cell": " ".join(options), "convolutions": convolutions, "test": test}


def table(runs: dict[str, Any]) -> dict[str, Any]:
    """Means over the seeds of each row."""
    found: dict[str, Any] = {}
    for row in ROWS:
        own = [run for name, run in runs.items() if name.split(" ")[0] == row]
        for which in ("answer", "last") if own else ():
            cells = [run[which] for run in own]
            found.setdefault(row, {"seeds": len(own)})[which] = {
                "test": mean([cell["test"] for cell in cells]),
                "least": min(cell["test"] for cell in cells),
                "convolutions": round(statistics.mean(c["convolutions"] for c in cells), 2),
                "fewest_convolutions": min(cell["convolutions"] for cell in cells),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / NAME)
    options = parser.parse_args()
    file = RESULTS / f"{NAME}.json"
    runs = json.loads(file.read_text())["runs"] if file.exists() else {}
    for seed in range(options.seeds):
        for row in options.rows:
            name = f"{row} {seed}"
            if name not in runs:
                runs[name] = searched(row, seed, options.runs)
                save(NAME, {"settings": SETTINGS, "rows": table(runs), "runs": runs})


if __name__ == "__main__":
    main()
