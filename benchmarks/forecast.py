"""How far a run's forecast is off: time, memory, trials; twenty configurations drawn by a seed.

python benchmarks/forecast.py [numbers ...]      (which of the twenty, from 0; default: all)

The draw was committed before there was a forecast. Every configuration is run in a process of its
own, which makes the forecast and then runs, with one thread. The machine has other work, whose
share of the processor changes from second to second, so that a clock on the wall would compare two
shares of it: forecast and run are both in seconds of the processor (time.process_time). Memory is
the largest resident set. What stands in the result file already is not done again.
"""

import importlib
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

SEED, COUNT = 2026, 20
GRADIENT = ("darts", "gdas", "drnas", "pc_darts", "snas", "beta_darts", "random_ws", "darts_2nd")
CELLS = ("darts_v1", "darts_v2", "gdas", "snas", "pdarts")


def drawn() -> list[list[str]]:
    """The commands, without `nas`."""
    rng = random.Random(SEED)
    return [_one(rng) for _ in range(COUNT)]


def _one(rng: random.Random) -> list[str]:
    kind = rng.choice(["retrain", "train", "gradient", "one_shot"])
    words = ["data=synthetic", "device=none", "accelerator=cpu", "threads=1"]
    words += [
        f"data.images={rng.choice([512, 1024, 1536])}",
        f"data.size={rng.choice([8, 12, 16])}",
    ]
    words += [f"training.epochs={rng.choice([3, 4, 6])}"]
    words += [f"training.batch_size={rng.choice([16, 32, 64])}"]
    space = "cell" if kind == "retrain" else rng.choice(["cell", "nasbench201"])
    size = {
        "cell": [f"channels={rng.choice([4, 8])}", f"cells={rng.choice([3, 4, 5])}"],
        "nasbench201": [f"channels={rng.choice([4, 8])}", f"cells_per_stage={rng.choice([1, 2])}"],
    }[space]
    words += [f"training.network.{space}.{one}" for one in size]
    if kind == "retrain":
        seeds, beside = rng.choice([1, 2]), rng.choice(["[]", "[random]", "[shufflenet_v2_x0_5]"])
        few = ["random_genotypes=2"] if beside == "[random]" else []
        return ["retrain", f"genotype={rng.choice(CELLS)}", f"seeds={seeds}",
                f"baselines={beside}", *few, *words]  # fmt: skip
    words += [f"space={space}", f"seed={rng.randrange(100)}"]
    if kind == "gradient":
        return ["search", f"strategy={rng.choice(GRADIENT)}", *words]
    trials = rng.choice([3, 5, 8]) if kind == "train" else rng.choice([20, 40, 80])
    strategy = rng.choice(["random", "evolution", "reinforce"])
    return [
        "search",
        f"strategy={strategy}",
        f"estimator={kind}",
        f"budget.trials={trials}",
        *words,
    ]


def run(number: int, outputs: str) -> dict[str, object]:
    """One configuration, in this process."""
    from nascli.config.command_line import asked_for
    from nascli.programs import forecast

    verb, *words = drawn()[number]
    asked = asked_for(verb, [*words, f"outputs={outputs}"], [])
    config = importlib.import_module(f"nascli.config.{verb}")
    program = importlib.import_module(f"nascli.programs.{verb}")
    folder, parts = config.begin(asked)
    start, how = time.process_time(), {"clock": time.process_time, "worth": 0}
    if verb == "retrain":
        expected = forecast.retrain(parts, **how)
    else:
        most = importlib.import_module("nascli.commands.search")._most(parts)
        expected = forecast.search(parts, partial(config.short, asked), most, **how)
    begun = time.process_time()
    getattr(program, verb)(folder, parts)
    took, peak = time.process_time() - begun, forecast.peak_mb("cpu")
    row = {
        "command": " ".join(["nas", verb, *words]),
        "seconds": took,
        "memory_mb": peak,
        "trials": len(folder.history()),
        "of_which_estimated": parts.budget.used if verb == "search" else len(folder.history()),
        "forecast_seconds": expected.seconds,
        "forecast_memory_mb": expected.memory_mb,
        "forecast_trials": expected.trials,
        "forecast_took_seconds": begun - start,
        "seconds_off": expected.seconds / took - 1,
        "memory_off": expected.memory_mb / peak - 1,
    }
    return {key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}


def main(numbers: list[int]) -> None:
    file = Path(__file__).parent / "results" / "forecast.json"
    rows = json.loads(file.read_text())["rows"] if file.is_file() else {}
    for number in numbers:
        if str(number) in rows:
            continue
        with tempfile.TemporaryDirectory() as outputs:
            command = [sys.executable, __file__, "--one", str(number), outputs]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows[str(number)] = json.loads(done.stdout.splitlines()[-1])
        print(number, rows[str(number)], flush=True)
        ordered = dict(sorted(rows.items(), key=lambda item: int(item[0])))
        offs = [abs(row["seconds_off"]) for row in rows.values()]
        found = {
            "command": "python benchmarks/forecast.py",
            "machine": f"{platform.platform()}, one thread, other work beside it",
            "clock": "seconds of the processor, forecast and run alike",
            "configurations": len(rows),
            "seconds_within_20_percent": sum(off <= 0.2 for off in offs),
            "memory_within_20_percent": sum(abs(r["memory_off"]) <= 0.2 for r in rows.values()),
            "trials_right": sum(
                r["forecast_trials"] in (r["trials"], r["of_which_estimated"])
                for r in rows.values()
            ),
            "rows": ordered,
        }
        file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(run(int(sys.argv[2]), sys.argv[3])))
    else:
        main([int(word) for word in sys.argv[1:]] or list(range(COUNT)))
