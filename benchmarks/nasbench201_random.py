"""Random search on NAS-Bench-201 against its closed form, through the command line.

python benchmarks/nasbench201_random.py [seeds] [data sets]      (default: 300 seeds, all three)

The closed form: among n cells drawn without repeats from N, the one of rank r in validation
accuracy is the best with probability C(N-1-r, n-1) / C(N, n); its test accuracy is the figure.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np

TRIALS = 100
RESULT = Path(__file__).parent / "results" / "nasbench201_random.json"


def closed_form(dataset: str) -> float:
    with resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        table = np.load(file, allow_pickle=False)
        valid, test = table[f"{dataset}_valid_200"], table[f"{dataset}_test_200"]
    ranked = test[np.argsort(-valid, kind="stable")].astype(float)
    cells = len(ranked)
    whole = math.comb(cells, TRIALS)
    chances = [math.comb(cells - 1 - r, TRIALS - 1) / whole for r in range(cells)]
    return float(np.dot(chances, ranked))


def searched(dataset: str, seeds: int) -> list[float]:
    with tempfile.TemporaryDirectory() as outputs:
        command = ["nas", "search", "-m", "strategy=random", "space=nasbench201"]
        command += ["estimator=table", f"estimator.dataset={dataset}", f"budget.trials={TRIALS}"]
        command += [f"seed=range({seeds})", f"outputs={outputs}"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        reports = [json.loads((Path(p) / "report.json").read_text()) for p in done.stdout.split()]
    assert len(reports) == seeds
    return [report["final"]["test_accuracy"] for report in reports]


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rows = {}
    for dataset in sys.argv[2:] or ("cifar10", "cifar100", "imagenet16"):
        found = searched(dataset, seeds)
        rows[dataset] = {
            "closed_form": round(closed_form(dataset), 3),
            "mean_test_accuracy": round(statistics.mean(found), 3),
            "standard_error": round(statistics.stdev(found) / math.sqrt(seeds), 3),
        }
        print(dataset, rows[dataset])
    result = {"command": "python " + " ".join(sys.argv), "seeds": seeds, "trials": TRIALS}
    RESULT.write_text(json.dumps({**result, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
