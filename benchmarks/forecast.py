"""How far a run's forecast is off: time and memory, on twenty configurations drawn by a seed.

python benchmarks/forecast.py [first] [last]      (of the twenty; default: all)

The draw was committed before there was a forecast. Every configuration is one `nas` command,
whose forecast stands in its log.txt and is compared with what the command then took: the seconds
between that line and the end, and the process's largest resident set. On a machine that others
use too, seconds of a clock say little: those of the processor, which the command's own forecast
counts as well, are compared beside.
"""

import random

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


if __name__ == "__main__":
    for command in drawn():
        print("nas", *command)
