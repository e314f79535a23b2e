"""A process that has imported what `nas` needs, and forks a child for every command.

A command of its own process costs seconds of imports before it does anything. Here a server imports
them once; every command is then a process of its own as before, with its own working folder,
environment, streams and exit code, that starts at once. `Server` and `Client` are the tests' side:
pytest's main process has the one, each of its workers has the other.

What a command imports by itself, no such command can tell: tests/unit/test_imports.py looks at that
in interpreters of their own.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
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
    """The server's process; one serves all tests, on however many workers of pytest they run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.mkdtemp(prefix="nas-")
        self.address = str(Path(self._folder) / "socket")
        # It listens from the beginning, so that nobody has to wait until the process is there.
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.address)
            listening.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"import forking; forking.serve({listening.fileno()})"],
                env={
                    **environment,
                    "PYTHONPATH": os.pathsep.join([_here(), environment["PYTHONPATH"]]),
                },
                stdin=subprocess.PIPE,  # its end is the server's
                stdout=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )

    def close(self) -> None:
        """Ends the server, once all that it has started has ended."""
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)


class Client:
    """Has a server start commands, whose output goes into a folder."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self._folder, self._count = address, folder, 0

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
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self.address)
            with line.makefile("rw") as both:
                both.write(json.dumps(request) + "\n")
                both.flush()
                answer = both.readline()
        assert answer, "the server has died"
        return Process(int(answer), ended, (stdout, stderr))


def _here() -> str:
    return str(Path(__file__).resolve().parent)


def serve(listening: int) -> None:
    """Reads one request a connection and answers with the command's process number."""
    ready = False
    with socket.socket(fileno=listening) as server:
        while server in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            if not ready:
                _prepare()
                ready = True
            with connection, connection.makefile("rw") as both:
                _watched(json.loads(both.readline()), server, both)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # so that what commands took counts as the tests' time


def _prepare() -> None:
    """Imports all that any command imports."""
    import nascli

    for name in _IMPORTED:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(nascli.__path__, "nascli."):
        with contextlib.suppress(ImportError):  # it needs what is not installed
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # so that commands do not copy what they never change


def _watched(request: Mapping[str, Any], server: socket.socket, answers: IO[str]) -> None:
    """Forks a watcher, which forks the command and writes down how it ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # watchers whose commands have ended
            pass
    if os.fork():
        return
    server.close()
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


def _relay() -> None:
    """`python forking.py ADDRESS FOLDER ...` is what a shell script may call in place of `nas`."""
    address, folder, *arguments = sys.argv[1:]
    client = Client(address, Path(tempfile.mkdtemp(dir=folder)))
    process = client.start(arguments, Path.cwd(), os.environ)
    for text, stream in zip(process.communicate(300), (sys.stdout, sys.stderr), strict=True):
        stream.write(text)
    sys.exit(process.wait())


if __name__ == "__main__":
    _relay()
