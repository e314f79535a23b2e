"""Accuracies of small searches by the kernels in C and by torch alone, seed by seed.

python benchmarks/kernel_seeds.py [SEEDS]      (10)

Each search is `nas search strategy=darts space=cell` with the settings below, in float32, where the
two differ in rounding, and a supernet's training grows that. The raw file keeps the searches that
are done, which are not run again. Accuracies are those of the answers on the validation split.
"""

import json
import statistics
import sys
import tempfile

from darts_step import machine
from tabular import RESULTS, save

import nascli
from nascli.analysis.significance import paired_interval

SETTINGS = [
    "strategy=darts", "space=cell", "data=digits", "training=search", "training.epochs=6",
    "training.network.cell.channels=4", "training.network.cell.cells=3", "device=none", "threads=1",
]  # fmt: skip
KERNELS = ("native", "torch")
FILE = RESULTS / "kernel_seeds.json"


def accuracy(kernels: str, seed: int) -> float:
    with tempfile.TemporaryDirectory() as outputs:
        run = nascli.search(*SETTINGS, kernels=kernels, seed=seed, outputs=outputs)
        return round(max(trial.metrics["accuracy"] for trial in run.history), 5)


def main() -> None:
    seeds = int((sys.argv[1:] or ["10"])[0])
    rows = json.loads(FILE.read_text())["accuracy"] if FILE.exists() else {}
    for seed in range(seeds):
        row = rows.setdefault(str(seed), {})
        for kernels in KERNELS:
            if kernels not in row:
                row[kernels] = accuracy(kernels, seed)
                save("kernel_seeds", summary(rows))
        print(seed, row, flush=True)
    save("kernel_seeds", summary(rows))


def summary(rows: dict[str, dict[str, float]]) -> dict[str, object]:
    """What the pairs that are whole come to, in percentage points; the interval covers 95 %."""
    pairs = [(row["native"], row["torch"]) for row in rows.values() if len(row) == len(KERNELS)]
    found: dict[str, object] = {"settings": SETTINGS, "machine": machine(), "accuracy": rows}
    if len(pairs) > 1:
        native, torch = zip(*pairs, strict=True)
        found["native_mean"] = round(statistics.mean(native), 2)
        found["torch_mean"] = round(statistics.mean(torch), 2)
        mean, *interval = paired_interval(torch, native)
        found["native_less_torch"] = round(mean, 2)
        found["interval"] = [None if end is None else round(end, 2) for end in interval]
    return found


if __name__ == "__main__":
    main()
