"""Where the seconds of a default search go, in this checkout and in one of before, alternated.

python benchmarks/search_seconds.py BEFORE [rounds]      (a checkout of an earlier version; 3)

The search is `nas search strategy=darts space=cell`. Every search is a process of its own, with as
many of them from here as from BEFORE, in turns; both have their bytecode beforehand. Seconds of the
processor are what other work on a machine changes least, those on the clock stand beside them. A
phase does not contain those that it calls.
"""

import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import tabular

SEARCH = ["search", "strategy=darts", "space=cell"]
PHASES = {
    "epochs": ["nascli.gradient.bilevel:Bilevel.train"],
    "validation": ["nascli.supernet.scoring:Scoring.accuracy"],
    "latency": ["nascli.devices.timer:Timer._timed", "nascli.devices.cpu:Cpu.latencies"],
    "survey of costs": ["nascli.config.search:with_numbers", "nascli.commands.feasibility:survey"],
    "saving": ["nascli.runs.folder:Run.save_state", "nascli.run:Run.save_state"],
    "report": ["nascli.programs.search:write_report", "nascli.commands.outcome:write_report"],
}
"""Where each is; a checkout of before may have it elsewhere, or not at all."""
CHILD = """
import builtins, collections, importlib, json, sys, time

phases, words, found = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
seconds = collections.defaultdict(lambda: [0.0, 0.0])
open_ones = []

def now():
    return time.process_time(), time.perf_counter()

def enter(name):
    open_ones.append((name, now(), [0.0, 0.0]))

def leave():
    name, (begun, began), inner = open_ones.pop()
    spent = [now()[0] - begun, now()[1] - began]
    for which in (0, 1):
        seconds[name][which] += spent[which] - inner[which]
        if open_ones:
            open_ones[-1][2][which] += spent[which]

def watched(function, name):
    def run(*arguments, **keywords):
        enter(name)
        try:
            return function(*arguments, **keywords)
        finally:
            leave()
    return run

imported = builtins.__import__

def importing(*arguments, **keywords):
    if open_ones and open_ones[-1][0] == "imports":
        return imported(*arguments, **keywords)
    enter("imports")
    try:
        return imported(*arguments, **keywords)
    finally:
        leave()

enter("all else")
builtins.__import__ = importing
from nascli import cli

job = cli._job

def watching(*arguments, **keywords):
    for name, places in phases.items():
        for place in places:
            module, _, path = place.partition(":")
            *above, last = path.split(".")
            try:
                owner = importlib.import_module(module)
                for part in above:
                    owner = getattr(owner, part)
                setattr(owner, last, watched(getattr(owner, last), name))
            except (ImportError, AttributeError):
                continue
            break
    return job(*arguments, **keywords)

cli._job = watching
sys.argv[:] = ["nas", *words]
try:
    cli.main()
finally:
    leave()
    with open(found, "w") as file:
        json.dump(seconds, file)
"""


def searched(checkout: Path, more: list[str]) -> dict[str, list[float]]:
    """Phase -> seconds of the processor and on the clock, of one search."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "seconds.json"
        words = [*SEARCH, f"outputs={folder}", *more]
        command = [sys.executable, "-c", CHILD, json.dumps(PHASES), json.dumps(words), str(found)]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
        return json.loads(found.read_text())


def main() -> None:
    before, rounds = Path(sys.argv[1]).resolve(), int((sys.argv[2:] or ["3"])[0])
    places = {"before": before, "now": Path(__file__).resolve().parents[1]}
    for place in places.values():
        compileall.compile_dir(place / "nascli", quiet=1)
    runs: dict[str, list[dict[str, list[float]]]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, place in places.items():
            runs[name].append(searched(place, sys.argv[3:]))
            print(name, {k: [round(s, 2) for s in v] for k, v in runs[name][-1].items()})
    rows = {}
    for phase in [*PHASES, "imports", "all else"]:
        row = rows[phase] = {}
        for name, found in runs.items():
            for which, kind in enumerate(("processor", "clock")):
                values = [run.get(phase, [0.0, 0.0])[which] for run in found]
                row[f"{name}_{kind}"] = round(statistics.median(values), 2)
    others = [row for phase, row in rows.items() if phase != "epochs"]
    for name, counted in (
        ("everything but epochs", others),
        ("whole search", [rows["epochs"], *others]),
    ):
        total = {key: round(sum(row[key] for row in counted), 2) for key in counted[0]}
        rows[name] = total | {
            f"now_over_before_{kind}": round(total[f"now_{kind}"] / total[f"before_{kind}"], 3)
            for kind in ("processor", "clock")
        }
    commit = subprocess.check_output(
        ["git", "-C", before, "rev-parse", "--short", "HEAD"], text=True
    )
    load = os.getloadavg()[0]
    result = {
        "processor": tabular.hardware(),
        "before": commit.strip(),
        "rounds": rounds,
        "load": load,
        "rows": rows,
    }
    tabular.save("search_seconds", result)


if __name__ == "__main__":
    main()
