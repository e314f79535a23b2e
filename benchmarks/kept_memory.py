"""Page faults and milliseconds of passes, where the process keeps freed memory and where not.

    python benchmarks/kept_memory.py

In fresh processes in turn, one thread: a network of `mobile` at 32 pixels, expansions of 6 and four
blocks in all stages, evaluated on one image and trained on 64. The network is built by the same
seed. `kept` is what `device=cpu` and trainings do (`nascli.core.memory`), `given back` the C
library's own way. Faults and times are medians of passes and then of processes, the ratio is the
median of those of neighbours; the result is benchmarks/results/kept_memory.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESULT = Path(__file__).resolve().parent / "results" / "kept_memory.json"
BLOCK = "mbconv_3x3_e6"
PASSES = {"evaluation": 30, "training": 8}
ROUNDS = {"evaluation": 9, "training": 3}
BATCH = {"evaluation": 1, "training": 64}


def one(kind: str, kept: bool) -> dict[str, float]:
    """What one process finds."""
    import torch
    from torch.nn import functional

    from nascli.config import building
    from nascli.config.compose import composed
    from nascli.core import memory
    from nascli.core.genotype import Genotype

    if kept:
        memory.keep()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = composed("search", ["space=mobile", "data=synthetic", "data.size=32", "device=none"])
    faults = building.Faults()
    problem = building.problem(config, faults)
    faults.check()
    assert problem is not None
    choices = {
        name: BLOCK if BLOCK in options else options[0]
        for name, options in problem.space.decisions.items()
    }
    network: Any = problem.space.network(Genotype.of("mobile", choices))
    network.train(kind == "training")
    images = torch.randn(BATCH[kind], 3, 32, 32)
    labels = torch.zeros(BATCH[kind], dtype=torch.long)
    missed, taken = [], []
    for _ in range(PASSES[kind]):
        before, began = faulted(), time.thread_time()
        if kind == "training":
            functional.cross_entropy(network(images), labels).backward()
        else:
            with torch.inference_mode():
                network(images)
        taken.append(1e3 * (time.thread_time() - began))
        missed.append(faulted() - before)
    warm = PASSES[kind] // 4
    return {"faults": statistics.median(missed[warm:]), "ms": statistics.median(taken[warm:])}


def faulted() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs=2)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one[0], args.one[1] == "kept")))
        return
    from nascli.runs import environment

    table = {}
    for kind in PASSES:
        found: dict[str, list[dict[str, float]]] = {"kept": [], "given back": []}
        for _ in range(ROUNDS[kind]):
            for name, rows in found.items():
                words = [sys.executable, __file__, "--one", kind, name]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                rows.append(json.loads(done.stdout.splitlines()[-1]))
        middle = {
            name: {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
            for name, rows in found.items()
        }
        both = zip(found["given back"], found["kept"], strict=True)
        ratio = round(statistics.median(back["ms"] / kept["ms"] for back, kept in both), 3)
        table[kind] = {**middle, "ratio": ratio, "rounds": found}
        print(kind, json.dumps({**middle, "ratio": ratio}))
    result = {
        "command": "python benchmarks/kept_memory.py",
        "machine": environment.record(command="", choices={}, overrides=[], seed=0),
        **table,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
