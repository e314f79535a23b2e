"""A process that has imported what `nas` needs, and forks a child for every command.

A command of its own process costs seconds of imports before it does anything. Here a server imports
them once; every command is then a process of its own as before, with its own working folder,
environment, streams and exit code, that starts at once. `Server` is the tests' side.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_IMPORTED = (
    *(
        "torch",
        "torchvision",
        "hydra.main",
        "omegaconf",
        "numpy",
        "sklearn.datasets",
        "scipy.stats",
    ),
    *("rich.progress", "rich.table", "matplotlib.figure", "matplotlib.backends.backend_svg"),
    "nascli.cli",
)


class Process:
    """A command that a server has started; like `subprocess.Popen`, as far as tests need it."""

    def __init__(self, pid: int, ended: Path, streams: tuple[Path, Path]) -> None:
        self.pid = pid
        self._ended, self._streams = ended, streams

    @property
    def returncode(self) -> int | None:
        """As `poll`."""
        return self.poll()

    def said(self) -> tuple[str, str]:
        """Standard output and standard error so far."""
        out, err = (path.read_text() for path in self._streams)
        return out, err

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Standard output and standard error, once it has ended."""
        self.wait(timeout)
        return self.said()

    def poll(self) -> int | None:
        """The exit code (-signal for one that was killed); None while it runs."""
        try:
            return int(self._ended.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def wait(self, timeout: float = 60) -> int:
        """The exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it goes on for longer; it is killed.
        """
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                self.send_signal(signal.SIGKILL)
                raise subprocess.TimeoutExpired("nas", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Sends it to the command alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)


class Server:
    """The server's process; one serves many tests."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import forking; forking.serve()"],
            env={
                **environment,
                "PYTHONPATH": os.pathsep.join([_here(), environment["PYTHONPATH"]]),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
    ) -> Process:
        """Starts `nas` with these arguments; it has no standard input and a session of its own."""
        self._count += 1
        ended, stdout, stderr = (
            self._folder / f"{name}-{self._count}" for name in ("ended", "stdout", "stderr")
        )
        request: dict[str, Any] = {
            "arguments": list(arguments),
            "cwd": str(cwd),
            "environment": dict(environment),
            "streams": [os.devnull, str(stdout), str(stderr)],
            "ended": str(ended),
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the server has died"
        return Process(
            int(answer), ended, (Path(request["streams"][1]), Path(request["streams"][2]))
        )

    def close(self) -> None:
        """Ends the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _here() -> str:
    return str(Path(__file__).resolve().parent)


def serve() -> None:
    """Reads one request a line and answers with the command's process number."""
    import importlib

    for name in _IMPORTED:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing else may come between the answers
    for line in sys.stdin:
        _watched(json.loads(line), answers)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # so that what commands took counts as the tests' time


def _watched(request: Mapping[str, Any], answers: IO[str]) -> None:
    """Forks a watcher, which forks the command and writes down how it ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # watchers whose commands have ended
            pass
    if os.fork():
        return
    pid = os.fork()
    if not pid:
        _run(request)
    answers.write(f"{pid}\n")
    answers.flush()
    _, status = os.waitpid(pid, 0)
    ended = Path(request["ended"])
    draft = ended.with_suffix(".draft")
    draft.write_text(str(os.waitstatus_to_exitcode(status)))
    draft.rename(ended)
    os._exit(0)


def _run(request: Mapping[str, Any]) -> None:
    """The command itself, in the process that is to be it; never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        for number, name in enumerate(request["streams"]):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(name, flags, 0o644), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - until the process ends
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.path.insert(0, "")
        sys.argv = ["-c", *request["arguments"]]
        from nascli.cli import main

        main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
