"""Searches on several processes, of which some are killed under way."""

import json
import os
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from fixtures import TINY

RANDOM = ("strategy=random", "space=nasbench201")
# Networks of 15 cells, so that there is time to kill a worker.
TRAIN = (*RANDOM, "estimator=train", *TINY, "space.channels=4", "data.images=64")
TABLE = (*RANDOM, "estimator=table", "device=none")
NAMES = {"processes": b"spawn_main", "ray": b"ray::_evaluated"}
KINDS = [
    "processes",
    pytest.param("ray", marks=pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")),
]
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def descendants(process: int) -> set[int]:
    """All processes below one."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if stat[0] != "Z":
            parents[int(folder.name)] = int(stat[1])
    found, more = set(), {process}
    while more:
        more = {child for child, parent in parents.items() if parent in more} - found
        found |= more
    return found


def workers(process: int, kind: str) -> list[int]:
    """The processes that evaluate trials, those that are about to included."""
    found = []
    for child in descendants(process):
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        found += [child] * (NAMES[kind] in line)
    return found


def until(condition, process):
    """What `condition` gives once it is true, while the process runs."""
    while process.poll() is None:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"ended before its time: {process.said()[1]}")


def recorded(folder: Path) -> int:
    """How many trials the only run there has on record."""
    return sum(f.read_bytes().count(b"\n") for f in folder.glob("outputs/search/*/history.jsonl"))


def answers(folder: Path) -> dict[str, float]:
    """Genotype -> accuracy of the only run there, whose trials must all be there and good."""
    (file,) = folder.glob("outputs/search/*/history.jsonl")
    trials = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(trial["number"] for trial in trials) == list(range(len(trials)))
    assert all(trial["error"] is None for trial in trials)
    return {json.dumps(t["genotype"]["choices"]): t["metrics"]["accuracy"] for t in trials}


def finished(process) -> str:
    """What a search that ends well has printed."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out


@pytest.fixture(scope="module")
def alone(start, tmp_path_factory):
    """What six trials come to in one process."""
    folder = tmp_path_factory.mktemp("alone")
    finished(start("search", *TRAIN, "budget.trials=6", cwd=folder))
    return answers(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_is_killed_in_mid_search(start, alone, tmp_path, kind):
    process = start(
        "search", *TRAIN, "budget.trials=6", f"workers={kind}", "workers.count=2", cwd=tmp_path
    )
    until(lambda: recorded(tmp_path), process)
    os.kill(until(lambda: workers(process.pid, kind), process)[0], signal.SIGKILL)
    out = finished(process)
    assert [run.relative_to(tmp_path) for run in tmp_path.glob("outputs/search/*")] == [
        Path(out.removesuffix("\n"))
    ]
    assert answers(tmp_path) == alone


def test_interrupt_in_the_terminal_and_resume(start, tmp_path):
    many = ("budget.trials=15625", "workers=processes", "workers.count=2")
    process = start("search", *TABLE, *many, cwd=tmp_path)
    until(lambda: recorded(tmp_path) > 10, process)
    children = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: everyone gets it
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == "" and "Traceback" not in err
    assert "go on with: nas search resume=" in err
    assert len(children) >= 2
    end = time.monotonic() + 60
    while children & descendants(1):
        assert time.monotonic() < end, "children outlive the search"
    (run,) = tmp_path.glob("outputs/search/*")
    trials = recorded(tmp_path) + 10
    finished(start("search", f"resume={run}", f"budget.trials={trials}", cwd=tmp_path))
    alone = tmp_path / "alone"
    alone.mkdir()
    finished(start("search", *TABLE, f"budget.trials={trials}", cwd=alone))
    assert answers(tmp_path) == answers(alone)
