import os
import signal
import subprocess
import sys
import time

import pytest
from fixtures import CHECKOUT, environment
from makes import (
    PROPOSAL,
    Rough,
    broken,
    evaluated,
    running,
    with_environment_threads,
    with_loud,
    with_plain,
    with_threads,
)

from nascli.core.fault import Fault
from nascli.workers.processes import Processes

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture
def processes():
    """Builds `Processes` and ends them with the test."""
    made = []

    def build(*arguments, **options):
        made.append(Processes(*arguments, **options))
        return made[-1]

    yield build
    for working in made:
        working.close()


@pytest.mark.parametrize("how", ["killed", "exit"])
def test_a_process_that_dies_costs_its_own_trial_a_second_try(processes, tmp_path, how):
    make = Rough(tmp_path, how=how)
    done = evaluated(processes(make, count=2), 4)
    assert all(trial.error is None for trial in done.values())
    assert [len(make.tries(number)) for number in range(4)] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("how", "retries", "says"),
    [
        ("killed", 2, "its worker process died 3 times, last exit code -9"),
        ("exit", 0, "its worker process died once, last exit code 9"),
    ],
)
def test_a_trial_that_always_kills_its_process_fails_alone(processes, tmp_path, how, retries, says):
    make = Rough(tmp_path, deaths=99, how=how)
    done = evaluated(processes(make, count=2, retries=retries), 4)
    assert done.pop(1).error == says
    assert len(make.tries(1)) == retries + 1
    assert all(trial.error is None for trial in done.values())


def test_a_trial_that_hangs_is_ended(processes, tmp_path):
    make = Rough(tmp_path, how="hang")
    working = processes(make, count=1, trial_seconds=0.05)
    working.submit(1, PROPOSAL)
    (ended,) = working.wait()
    assert ended.error == "took longer than workers.trial_seconds=0.05"
    assert working.busy == 0
    assert not any(running(process) for process in make.tries(1))


def test_a_slow_trial_delays_no_other(processes, tmp_path):
    working = processes(Rough(tmp_path, number=0, how="hang"), count=2)
    working.submit(0, PROPOSAL)
    for number in range(1, 5):
        working.submit(number, PROPOSAL)
        assert [trial.number for trial in working.wait()] == [number]
    assert working.busy == 1


def test_an_idle_process_that_dies_is_replaced(processes):
    working = processes(with_plain, count=1)
    for number in range(2):
        working.submit(number, PROPOSAL)
        (ended,) = working.wait()
        assert ended.error is None
        os.kill(int(ended.metrics["process"]), signal.SIGKILL)


def test_closing_kills_what_hangs(tmp_path, processes):
    make = Rough(tmp_path, how="hang")
    working = processes(make, count=2)
    working.submit(1, PROPOSAL)
    working.submit(2, PROPOSAL)
    working.wait()
    while not make.tries(1):
        time.sleep(0.005)
    working.close()
    assert not any(running(process) for process in make.tries(1) + make.tries(2))


def test_an_error_in_building_arrives_with_its_traceback(processes):
    working = processes(broken, count=1)
    working.submit(0, PROPOSAL)
    with pytest.raises(RuntimeError, match="in broken(.|\n)*ValueError: a bug of ours"):
        working.wait()


def test_ctrl_c_is_not_for_the_children(processes, tmp_path):
    make = Rough(tmp_path, how="interrupted")
    done = evaluated(processes(make, count=1), 2)
    assert done[1].error is None
    assert len(make.tries(1)) == 1


def program(folder, then):
    """A program whose only worker hangs in a trial."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from makes import PROPOSAL, Rough\n"
        "from nascli.workers.processes import Processes\n"
        "make = Rough(Path(sys.argv[1]), how='hang')\n"
        "working = Processes(make, count=1)\n"
        "working.submit(1, PROPOSAL)\n"
    )
    paths = os.pathsep.join([str(CHECKOUT / "tests"), environment()["PYTHONPATH"]])
    command = [sys.executable, "-c", code + then, str(folder)]
    return subprocess.Popen(command, env={**environment(), "PYTHONPATH": paths})


def gone(process):
    """Whether a process ends within a minute."""
    end = time.monotonic() + 60
    while running(process) and time.monotonic() < end:
        time.sleep(0.005)
    return not running(process)


def test_no_child_outlives_a_parent_that_is_killed(tmp_path):
    parent = program(tmp_path, "working.wait()")
    make = Rough(tmp_path)
    while not make.tries(1):
        assert parent.poll() is None
        time.sleep(0.005)
    parent.kill()
    parent.wait()
    assert gone(*make.tries(1))


def test_a_program_that_forgets_to_close_ends_all_the_same(tmp_path):
    parent = program(tmp_path, "while not make.tries(1): time.sleep(0.005)")
    assert parent.wait(timeout=60) == 0
    assert gone(*Rough(tmp_path).tries(1))


def test_stdout_stays_clean(processes, capfd):
    evaluated(processes(with_loud, count=1), 1)
    out, err = capfd.readouterr()
    assert out == ""
    assert "a program of the child" in err


@pytest.mark.parametrize(
    ("given", "count", "threads"),
    [(None, 1, CORES), (None, 2 * CORES, 1), ("1", 1, 1), (str(4 * CORES), 1, CORES)],
)
def test_the_cores_are_shared_out(processes, monkeypatch, given, count, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    working = processes(with_environment_threads, count=count)
    assert evaluated(working, 1)[0].metrics["threads"] == threads


def test_torch_keeps_to_its_share(processes, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    working = processes(with_threads, count=CORES)
    assert evaluated(working, 1)[0].metrics["threads"] == 1


def test_as_many_processes_as_cores(processes):
    assert processes(with_plain).capacity == CORES


@pytest.mark.parametrize("count", [0, -1, 1.5, "two"])
def test_counts_that_make_no_sense(count):
    with pytest.raises(Fault, match=r"workers\.count is .*; it must be a whole number above 0"):
        Processes(with_plain, count=count)
