"""How long two threads take whose waiting is active or passive, alone and beside other work.

python benchmarks/waiting_threads.py [ROUNDS]      (3)

Torch's threads wait for each other at the end of every pass: awake (OMP_WAIT_POLICY=active is how
torch comes), or asleep (passive, as `nas` says where nobody else does). Each round trains a small
network under both, once with two processors to itself and once beside another process that is busy
all the time. Seconds are those on the clock, of one epoch as the run's history has them.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from darts_step import machine
from tabular import save

WORDS = [
    "search", "strategy=random", "budget.trials=1", "estimator=train", "space=cell",
    "space.channels=8", "space.cells=3", "training=quick", "training.epochs=2",
    "training.batch_size=32", "data=synthetic", "data.size=32", "data.images=768", "device=none",
    "threads=2",
]  # fmt: skip
POLICIES = ("active", "passive")
NAS = "import sys; from nascli.cli import main; sys.argv[0] = 'nas'; main()"
BUSY = "while True: pass"


def seconds(policy: str) -> float:
    with tempfile.TemporaryDirectory() as outputs:
        environment = {**os.environ, "OMP_WAIT_POLICY": policy}
        environment.pop("OMP_NUM_THREADS", None)
        command = [sys.executable, "-c", NAS, *WORDS, f"outputs={outputs}"]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        (history,) = Path(outputs).glob("search/*/history.jsonl")
        return float(json.loads(history.read_text())["seconds"])


def main() -> None:
    rounds = int((sys.argv[1:] or ["3"])[0])
    rows: dict[str, dict[str, object]] = {}
    for place in ("alone", "beside a busy process"):
        taken: dict[str, list[float]] = {policy: [] for policy in POLICIES}
        for _ in range(rounds):
            busy = None if place == "alone" else subprocess.Popen([sys.executable, "-c", BUSY])
            try:
                for policy in POLICIES:
                    taken[policy].append(round(seconds(policy), 2))
            finally:
                if busy is not None:
                    busy.kill()
        ratios = [a / p for a, p in zip(*taken.values(), strict=True)]
        rows[place] = {**taken, "active/passive": round(statistics.median(ratios), 2)}
        print(place, rows[place], flush=True)
    save("waiting_threads", {"rounds": rounds, "machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
