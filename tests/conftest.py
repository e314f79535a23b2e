"""Fixtures; what they are made of is in fixtures.py."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# Networks are tiny here, and a second thread on a busy machine mostly waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from fixtures import Finished, Nas, ToySpace, ToyTask, command, environment

from nascli.core.problem import Problem


@pytest.fixture
def toy() -> ToySpace:
    return ToySpace()


@pytest.fixture
def problem(toy: ToySpace) -> Problem:
    return Problem(space=toy, task=ToyTask(), recipe=None)


@pytest.fixture
def nas(tmp_path: Path) -> Nas:
    """Runs `nas` as a subprocess in an empty folder."""

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
