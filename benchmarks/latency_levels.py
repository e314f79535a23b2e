"""How well networks are known beside each other: plain quantiles against latencies levelled.

    python benchmarks/latency_levels.py [--space nasbench201] [--networks 40] [--sets 4]

The same random networks are measured in several sets of rounds, some seconds apart. Of each set
every estimator makes one figure a network; two sets are compared by the ratios of those. Their
median tells how much the machine as a whole has changed its speed, what is left of each ratio how
well networks are known beside each other: its median and its 90th percentile over networks and
pairs of sets are in benchmarks/results/latency_levels.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from nascli.config import building
from nascli.config.compose import composed
from nascli.core.space import sample
from nascli.devices.measuring import clocked, levelled, rounds
from nascli.devices.running import ready
from nascli.devices.settings import Limits
from nascli.programs.latency import Built
from nascli.runs import environment

RESULT = Path(__file__).resolve().parent / "results" / "latency_levels.json"
HOW = {"place": "cpu", "batch": 1, "dtype": "float32", "channels_last": False}
LIMITS = Limits(warmup=5, repeats=50, seconds=60, precision=0)
PAUSE = 5  # seconds

Taken = Sequence[Sequence[float]]


def quantile(share: float, taken: Taken) -> list[float]:
    return [float(np.quantile(values[LIMITS.warmup :], share)) for values in taken]


ESTIMATORS: dict[str, Callable[[Taken], list[float]]] = {
    "minimum": partial(quantile, 0.0),
    "10th percentile": partial(quantile, 0.1),
    "lower quartile": partial(quantile, 0.25),
    "median": partial(quantile, 0.5),
    "levelled": lambda taken: [one.ms for one in levelled(taken, LIMITS.warmup)],
}


def measured(space: str, networks: int, sets: int) -> list[list[list[float]]]:
    """Of each set the milliseconds of every network, round by round."""
    config = composed("search", [f"space={space}", "data=synthetic", "data.size=32", "device=cpu"])
    faults = building.Faults()
    problem = building.problem(config, faults)
    faults.check()
    assert problem is not None
    rng = random.Random(0)
    genotypes = [sample(problem.space, rng) for _ in range(networks)]
    made = [ready(network, shape, **HOW) for network, shape in Built(problem, genotypes)]
    passes = [partial(clocked, partial(*one), threads=1) for one in made]
    found = []
    for number in range(sets):
        time.sleep(PAUSE if number else 0)
        found.append(rounds(passes, LIMITS))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--sets", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        taken = measured(args.space, args.networks, args.sets)
    table = {}
    for name, estimate in ESTIMATORS.items():
        logs = [np.log(estimate(one)) for one in taken]
        pairs = [one - other for one, other in combinations(logs, 2)]
        left = np.concatenate([np.abs(pair - np.median(pair)) for pair in pairs])
        table[name] = {
            "machine": round(float(np.mean([abs(np.median(pair)) for pair in pairs])), 4),
            "beside_median": round(float(np.median(left)), 4),
            "beside_p90": round(float(np.quantile(left, 0.9)), 4),
        }
        print(f"{name:16}", json.dumps(table[name]))
    result = {
        "command": f"python benchmarks/latency_levels.py {' '.join(sys.argv[1:])}".strip(),
        "machine": environment.record(command="", choices={}, overrides=[], seed=0),
        "load": os.getloadavg()[0],
        "estimators": table,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
