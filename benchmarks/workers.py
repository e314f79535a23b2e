"""Trials per minute of `workers=processes` against `workers=serial`, with `estimator=train`.

python benchmarks/workers.py [rounds] [trials]         (default: 5 rounds of 24 trials)

Every round trains the same random NAS-Bench-201 cells on the digits three times over: in this
process with `threads=auto`, in this process with a thread for each core, and in one process a core.
The order changes from round to round. All are warm: what building costs is timed apart. CPU seconds
are of the trials themselves; on a busy machine they say more than the clock.
"""

import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nascli.config import search as parts_of
from nascli.config.building import component
from nascli.config.compose import composed
from nascli.config.remote import FromConfig
from nascli.core.space import sample
from nascli.core.trial import Proposal, Trial
from nascli.core.workers import Evaluate, Workers
from nascli.workers.processes import Processes
from nascli.workers.serial import Serial

CORES = len(os.sched_getaffinity(0))
SETTINGS = ["space=nasbench201", "strategy=random", "estimator=train", "data=digits", "device=none"]
SETTINGS += ["training=quick", "accelerator=cpu"]
RESULT = Path(__file__).parent / "results" / "workers.json"


@dataclass(frozen=True)
class Timed:
    """Makes the search's own evaluation, whose trials also say how many CPU seconds they took."""

    make: FromConfig

    def __call__(self) -> Evaluate:
        evaluate = self.make()

        def timed(number: int, proposal: Proposal) -> Trial:
            start = time.process_time()
            trial = evaluate(number, proposal)
            used = time.process_time() - start
            return replace(trial, metrics={**trial.metrics, "cpu_seconds": used})

        return timed


def evaluated(workers: Workers, proposals: list[Proposal]) -> tuple[float, list[Trial]]:
    """Seconds and trials, in the order of the proposals."""
    start, waiting, done = time.perf_counter(), list(enumerate(proposals)), list[Trial]()
    while waiting or workers.busy:
        while waiting and workers.busy < workers.capacity:
            workers.submit(*waiting.pop(0))
        done += workers.wait()
    seconds = time.perf_counter() - start
    assert not any(trial.error for trial in done), done
    return seconds, sorted(done, key=lambda trial: trial.number)


def started(build: Callable[[], Workers], proposal: Proposal) -> tuple[Workers, float]:
    """Workers that have built all they need, and the seconds that it took."""
    start = time.perf_counter()
    workers = build()
    evaluated(workers, [proposal] * workers.capacity)
    return workers, time.perf_counter() - start


def measure(make: Timed, space: Any, rounds: int, trials: int) -> dict[str, Any]:
    rng = random.Random(0)
    serial, serial_start = started(lambda: Serial(make), Proposal(sample(space, rng), 0.01))
    auto = torch.get_num_threads()
    processes, processes_start = started(
        lambda: Processes(make), Proposal(sample(space, rng), 0.01)
    )
    ways: dict[str, tuple[Workers, int]] = {
        "serial, threads=auto": (serial, auto),
        f"serial, threads={CORES}": (serial, CORES),
        "processes": (processes, auto),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        cells = [Proposal(sample(space, rng)) for _ in range(trials)]
        found = []
        for name in sorted(ways, key=lambda name: (list(ways).index(name) + number) % len(ways)):
            workers, threads = ways[name]
            torch.set_num_threads(threads)
            seconds, done = evaluated(workers, cells)
            rates[name].append(60 * trials / seconds)
            cpu[name].append(statistics.mean(t.metrics["cpu_seconds"] for t in done))
            if threads == auto:
                found.append([trial.metrics["accuracy"] for trial in done])
            print(f"round {number}, {name}: {rates[name][-1]:.1f} trials/min", flush=True)
        assert found[0] == found[1], "processes find other accuracies than serial"
    processes.close()
    median = {name: statistics.median(values) for name, values in rates.items()}
    names = list(ways)
    ratios = {
        name: [p / s for p, s in zip(rates["processes"], rates[name], strict=True)]
        for name in names[:2]
    }
    return {
        "start_up_seconds": {
            "serial": round(serial_start, 2),
            "processes": round(processes_start, 2),
        },
        "trials_per_minute": {name: round(median[name], 1) for name in names},
        "cpu_seconds_per_trial": {n: round(statistics.median(cpu[n]), 3) for n in names},
        "processes_over": {
            name: {"median": round(statistics.median(r), 2), "rounds": [round(x, 2) for x in r]}
            for name, r in ratios.items()
        },
    }


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    trials = int(sys.argv[2]) if len(sys.argv) > 2 else 24
    config = composed("search", SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        make = Timed(FromConfig.of(config, Path(folder), parts_of.evaluation))
        space = component(config, "space", component(config, "data"))
        load = os.getloadavg()[0]
        result = measure(make, space, rounds, trials)
    said = {
        "command": "python " + " ".join(sys.argv),
        "settings": " ".join(SETTINGS),
        "machine": {
            "cores": CORES,
            "platform": platform.platform(),
            "torch": torch.__version__,
            "load_before": round(load, 2),
        },
        "rounds": rounds,
        "trials_per_round": trials,
    }
    RESULT.write_text(json.dumps({**said, **result}, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
