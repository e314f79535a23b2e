"""Fixtures; what they are made of is in fixtures.py."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

# Networks are tiny here, and a second thread on a busy machine mostly waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from fixtures import Finished, Nas, ToySpace, ToyTask, command, environment
from forking import Process, Server

from nascli.core.problem import Problem


@pytest.fixture
def toy() -> ToySpace:
    return ToySpace()


@pytest.fixture
def problem(toy: ToySpace) -> Problem:
    return Problem(space=toy, task=ToyTask(), recipe=None)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Starts commands in processes of their own that need not import anything."""
    running = Server(tmp_path_factory.mktemp("server"), environment())
    yield running
    running.close()


@pytest.fixture(scope="session")
def start(server: Server) -> Callable[..., Process]:
    """Starts `nas` as a process of its own, to be watched or killed."""
    return lambda *arguments, cwd: server.start(arguments, cwd, environment())


@pytest.fixture
def nas(tmp_path: Path, start: Callable[..., Process]) -> Nas:
    """Runs `nas` as a process of its own in an empty folder."""

    def run(*arguments: str, cwd: Path = tmp_path, timeout: float = 300) -> Finished:
        process = start(*arguments, cwd=cwd)
        out, err = process.communicate(timeout)
        return Finished(process.wait(), out, err)

    return run


@pytest.fixture
def fresh_nas(tmp_path: Path) -> Nas:
    """The same by an interpreter that has imported nothing yet."""

    def run(*arguments: str, cwd: Path = tmp_path, timeout: float = 300) -> Finished:
        done = subprocess.run(
            command(arguments),
            cwd=cwd,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run
