"""Fixtures; what they are made of is in fixtures.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Networks are tiny here, and a second thread on a busy machine mostly waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from fixtures import Finished, Nas, ToySpace, ToyTask, environment
from forking import Client, Process, Server

from nascli.core.problem import Problem


@pytest.fixture(scope="session")
def native_kernels() -> None:
    """Skips a test where the library of kernels in C is not to be had; test_library.py says why."""
    from nascli.kernels.native import library

    if library.load() is None:
        pytest.skip(library.why())


@pytest.fixture
def toy() -> ToySpace:
    return ToySpace()


@pytest.fixture
def problem(toy: ToySpace) -> Problem:
    return Problem(space=toy, task=ToyTask(), recipe=None)


SERVER = pytest.StashKey[Server]()
ADDRESS = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Leaves slow tests out where none are named; starts the server that all workers share."""
    if config.args_source is config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not slow"
    given = getattr(config, "workerinput", None)
    if given is None:
        config.stash[SERVER] = Server(environment())
    config.stash[ADDRESS] = config.stash[SERVER].address if given is None else given["server"]


@pytest.hookimpl(tryfirst=True)  # before pytest looks at marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what slow.txt names, tests or one case of them."""
    slow = set((Path(__file__).parent / "slow.txt").read_text("utf-8").splitlines())
    for item in items:
        if {item.nodeid, item.nodeid.partition("[")[0]} & slow:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker where the server is."""
    node.workerinput["server"] = node.config.stash[ADDRESS]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the server."""
    if SERVER in config.stash:
        config.stash[SERVER].close()


@pytest.fixture(scope="session")
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """Has commands started in processes of their own that need not import anything."""
    return Client(request.config.stash[ADDRESS], tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="session")
def start(client: Client) -> Callable[..., Process]:
    """Starts `nas` as a process of its own, to be watched or killed."""
    return lambda *arguments, cwd, **more: client.start(arguments, cwd, {**environment(), **more})


@pytest.fixture
def nas(tmp_path: Path, start: Callable[..., Process]) -> Nas:
    """Runs `nas` as a process of its own in an empty folder."""

    def run(*arguments: str, cwd: Path = tmp_path, timeout: float = 300) -> Finished:
        process = start(*arguments, cwd=cwd)
        out, err = process.communicate(timeout)
        return Finished(process.wait(), out, err)

    return run
