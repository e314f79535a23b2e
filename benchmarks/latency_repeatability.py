"""How much measured latencies differ from process to process, and how much their ratio does.

    python benchmarks/latency_repeatability.py [--processes 10] [--device cpu] [--folder F]

Fresh one-thread processes alternate two fixed networks, once as `device=cpu` measures (or another
device) and once by a plain loop around a timer, three times each in turn. A spread is the largest
over the smallest of all processes, less one. What is done is kept in the folder; the result stands
in benchmarks/results/latency_repeatability.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESULT = Path(__file__).resolve().parent / "results" / "latency_repeatability.json"
SHAPE = (3, 32, 32)
PASSES, TURNS = 50, 3


def networks() -> list[Any]:
    """A cell of convolutions and one of pools, of NAS-Bench-201."""
    from nascli.config import building
    from nascli.config.compose import composed
    from nascli.core.genotype import Genotype

    words = ["space=nasbench201", "data=synthetic", "data.size=32", "device=none"]
    faults = building.Faults()
    problem = building.problem(composed("profile", words), faults)
    faults.check()
    assert problem is not None
    space = problem.space
    options = ("nor_conv_3x3", "avg_pool_3x3")
    names = tuple(space.decisions)
    return [space.network(Genotype(space.name, names, (o,) * len(names))).eval() for o in options]


def plain(several: list[Any]) -> list[float]:
    """A loop around a timer, as one writes it: the medians in ms."""
    import torch

    images = torch.randn(1, *SHAPE)
    taken: list[list[float]] = [[] for _ in several]
    with torch.inference_mode():
        for _ in range(PASSES):
            for network, values in zip(several, taken, strict=True):
                start = time.perf_counter()
                network(images)
                values.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(values) for values in taken]


def one(device: str) -> dict[str, Any]:
    """What one process finds."""
    import torch

    from nascli.config import building
    from nascli.config.compose import composed

    torch.set_num_threads(1)
    several = networks()
    made = building.component(composed("profile", [f"device={device}"]), "device")
    ours, theirs = [], []
    for _ in range(TURNS):
        ours.append([latency.ms for latency in made.latencies([(n, SHAPE) for n in several])])
        theirs.append(plain(several))
    middle = [
        [statistics.median(turn) for turn in zip(*turns, strict=True)] for turns in (ours, theirs)
    ]
    names = (device, "plain loop")
    return {n: [round(ms, 5) for ms in two] for n, two in zip(names, middle, strict=True)}


def spread(values: list[float]) -> float:
    return round(max(values) / min(values) - 1, 4)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, default=Path("latency_repeatability"))
    parser.add_argument("--one", action="store_true")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.device)))
        return
    from nascli.runs import environment

    args.folder.mkdir(parents=True, exist_ok=True)
    file = args.folder / f"{args.device}.json"
    known: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    words = [sys.executable, __file__, "--one", "--device", args.device]
    while len(known) < args.processes:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        known.append(json.loads(done.stdout.splitlines()[-1]))
        file.write_text(json.dumps(known))
        print(known[-1], flush=True)
    rows = {
        name: {
            "first network": spread([row[name][0] for row in known]),
            "second network": spread([row[name][1] for row in known]),
            "their ratio": spread([row[name][0] / row[name][1] for row in known]),
        }
        for name in known[0]
    }
    ratios = [row["their ratio"] for row in rows.values()]
    result = {
        "command": f"python benchmarks/latency_repeatability.py {' '.join(sys.argv[1:])}".strip(),
        "machine": environment.record(command="", choices={}, overrides=[], seed=0),
        "spreads": rows,
        "spread of the ratio, over that of the plain loop": round(ratios[0] / ratios[1], 3),
        "processes": known,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "processes"}, indent=1))


if __name__ == "__main__":
    main()
