"""What the loop itself costs: table searches with their history on disk, and Optuna beside them.

python benchmarks/framework_cost.py [largest]      (default: 1000000; needs `pip install optuna`)

Ours are whole `nas search` commands: trials a second come from the times that stand in the history,
memory is the peak of the process, report included. Optuna's samplers run on the same table, in
memory, with ask and tell; the figure is the mean over the last hundred of 1,000 trials.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tabular

COUNTS = (100_000, 1_000_000)
STRATEGIES = {"random": ["strategy.repeats=true"], "evolution": []}
OPTUNA_TRIALS = 1000


def ours(strategy: str, options: list[str], count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as outputs:
        command = ["nas", "search", f"strategy={strategy}", *options, "space=nasbench201"]
        command += ["estimator=table", "device=none", f"outputs={outputs}"]
        command += ["budget.trials=null", f"budget.proposals={count}", "budget.repeats=null"]
        start = time.perf_counter()
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        whole = time.perf_counter() - start
        history = Path(child.stdout.strip()) / "history.jsonl"
        with history.open() as lines:
            elapsed = [json.loads(line)["elapsed"] for line in lines]
    assert len(elapsed) == count
    tenth = count // 10
    return {
        "trials": count,
        "trials_per_second": round(count / elapsed[-1]),
        "last_tenth_over_first": round(
            (elapsed[-1] - elapsed[-tenth - 1]) / (elapsed[tenth] - elapsed[0]), 3
        ),
        "peak_memory_gb": round(peak(), 3),
        "whole_command_seconds": round(whole, 1),
    }


def peak() -> float:
    """The largest resident set of any child so far, in GB; counts only ever grow."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9


def optuna_row(name: str) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    valid, rows = tabular.column("cifar10", "valid")
    names = sorted({operation for cell in rows for operation in cell})
    made = {
        "RandomSampler": optuna.samplers.RandomSampler,
        "NSGAIISampler": optuna.samplers.NSGAIISampler,
        "TPESampler": optuna.samplers.TPESampler,
    }[name](seed=0)
    study = optuna.create_study(direction="maximize", sampler=made)
    start = 0.0
    for number in range(OPTUNA_TRIALS):
        if number == OPTUNA_TRIALS - 100:
            start = time.perf_counter()
        trial = study.ask()
        cell = tuple(trial.suggest_categorical(f"edge {e}", names) for e in range(6))
        study.tell(trial, float(valid[rows[cell]]))
    seconds = (time.perf_counter() - start) / 100
    return {"trials": OPTUNA_TRIALS, "trials_per_second": round(1 / seconds, 1)}


def predictor_row() -> dict[str, float]:
    """Milliseconds of the predictor's `ask`, over the 200 of them around the 1,000th trial."""
    trials = tabular.searched(["strategy=predictor", "budget.trials=1100"], seed=0)[0]
    asked = sorted(1000 * trial.seconds for trial in trials[900:1100])
    return {
        "trials": 1000,
        "median_ms": round(statistics.median(asked), 1),
        "mean_ms": round(statistics.mean(asked), 1),
        "largest_ms": round(asked[-1], 1),
    }


def main() -> None:
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else COUNTS[-1]
    rows = {}
    for count in [count for count in COUNTS if count <= largest]:
        for strategy, options in STRATEGIES.items():
            rows[f"nas {strategy} {count:,}"] = ours(strategy, options, count)
            print(rows)
    rows["predictor's ask"] = predictor_row()
    print(rows["predictor's ask"])
    for name in ("RandomSampler", "NSGAIISampler", "TPESampler"):
        rows[f"optuna {name}"] = optuna_row(name)
        print(rows[f"optuna {name}"])
    tabular.save("framework_cost", {"rows": rows})


if __name__ == "__main__":
    main()
