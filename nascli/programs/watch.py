"""Pages of runs for a browser on this machine, made anew as their histories grow; it only reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from nascli.core import history_file
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.regular import contents as contents_of
from nascli.core.trial import History
from nascli.core.words import command
from nascli.report import contents, overview, summary
from nascli.report.page import Content, page
from nascli.report.trials import table
from nascli.report.units import duration
from nascli.runs import reading
from nascli.runs.folder import CONFIG, HISTORY, PAGE

_LOG = "log.txt"
_DEPTH = 3  # folders below one that is named: outputs, its verbs, the runs of a multirun
_LINES = 14  # of a log
_MOST_BYTES = 10**8
_HOSTS = ("127.0.0.1", "localhost")  # whom a browser may ask by: no name that others made for it


class Watched:
    """The run folders that are named or lie below the folders named.

    Args:
        folders: as they are named.
        problem_of: gives the problem of a search in a run folder, or raises a Fault.

    Raises:
        Fault: one of them does not exist.
    """

    def __init__(self, folders: Sequence[Path], problem_of: Callable[[Path], Problem]) -> None:
        for folder in folders:
            if not folder.is_dir():
                raise Fault(f"no run folder at '{folder}', and no folder of runs")
        self._folders, self._problem_of = folders, problem_of
        self._problems: dict[Path, Problem] = {}
        self._pages: dict[Path, tuple[str, str]] = {}  # by the state that they show

    @property
    def alone(self) -> bool:
        """Whether a single run is watched."""
        return len(self._folders) == 1 and (self._folders[0] / CONFIG).is_file()

    def runs(self) -> dict[str, Path]:
        """Address -> run folder, the newest first; looked up anew, for runs come and go."""
        found: dict[str, Path] = {}
        for folder in self._folders:
            if (folder / CONFIG).is_file():
                found["" if self.alone else folder.name] = folder
            for depth in range(1, _DEPTH + 1):
                for file in folder.glob("*/" * depth + CONFIG):
                    parts = file.parent.relative_to(folder).parts
                    if not any(part.startswith(".") for part in parts):
                        found["/".join(parts)] = file.parent
        return dict(sorted(found.items(), key=lambda pair: -_changed(pair[1])))

    def answer(self, path: str) -> str | None:
        """The text at an address: a run's page or its state, or all runs; None: there is none."""
        runs = self.runs()
        if path == "/" and not self.alone:
            return overview.page([_row(name, folder) for name, folder in runs.items()])
        name, _, last = path.removeprefix("/").rpartition("/")
        if name not in runs or last not in ("", "stamp"):
            return None
        return stamp(runs[name]) if last else self._page(runs[name])

    def _page(self, folder: Path) -> str:
        """As the run has left it, or as far as it is."""
        now = stamp(folder)
        known, text = self._pages.get(folder, ("", ""))
        if known != now:
            text = self._written(folder) or page(self._going_on(folder, now))
            self._pages[folder] = now, text
        return text

    def _written(self, folder: Path) -> str | None:
        """The page of a run that has ended; None of one that goes on."""
        file, history = folder / PAGE, folder / HISTORY
        if not file.is_file():
            return None
        if history.is_file() and history.stat().st_mtime_ns > file.stat().st_mtime_ns:
            return None
        return contents_of(file, _MOST_BYTES).decode("utf-8", "replace")

    def _going_on(self, folder: Path, now: str) -> Content:
        """What is known so far; without its space a search has no drawings."""
        more: dict[str, Any] = {"following": now, "lines": _log(folder)}
        try:
            more |= {"config": reading.config(folder), "environment": reading.environment(folder)}
            verb = _verb(more["environment"])
            resume = command(verb, f"resume={folder}")
            more["then"] = [("go on with it, should it have stopped:", resume)]
            file = folder / HISTORY
            entries = history_file.read(file) if file.is_file() else []
            trials = [entry.trial for entry in entries]
            seconds = max((entry.elapsed or 0.0 for entry in entries), default=0.0)
            title = f"{verb} · {folder.name} · still going on"
            if verb != "search":
                report = {"verb": verb, "title": title, "trials": summary.counts(History(trials))}
                return Content(report, trials=table(trials) if trials else None, **more)
            problem = self._problems.get(folder) or self._problem_of(folder)
            self._problems[folder] = problem
            return _search(History(trials), problem, seconds, title, more)
        except Fault as fault:
            return Content({"title": folder.name, "notice": str(fault)}, **more)


def _search(
    history: History, problem: Problem, seconds: float, title: str, more: dict[str, Any]
) -> Content:
    best = history.answer(problem.goal)
    report = summary.search(history, problem, best, seconds, {}) | {"title": title}
    return contents.search(history, problem, report, best, **more)


def stamp(folder: Path) -> str:
    """Differs once something has come of the run."""
    files = [folder / name for name in (HISTORY, PAGE, _LOG)]
    there = [file.stat() for file in files if file.is_file()]
    return "-".join(f"{one.st_size}.{one.st_mtime_ns}" for one in there)


def _changed(folder: Path) -> float:
    files = [folder / name for name in (CONFIG, HISTORY, PAGE)]
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)


def _verb(environment: dict[str, Any]) -> str:
    words = str(environment.get("command", "")).split()
    return words[1] if len(words) > 1 else "run"


def _log(folder: Path) -> list[str]:
    """The last lines of the log."""
    file = folder / _LOG
    if not file.is_file():
        return []
    return contents_of(file, _MOST_BYTES).decode("utf-8", "replace").splitlines()[-_LINES:]


def _row(name: str, folder: Path) -> dict[str, str]:
    """A run among others."""
    file = folder / HISTORY
    lines = contents_of(file, history_file.MOST_BYTES).count(b"\n") if file.is_file() else 0
    ago = duration(max(0.0, time.time() - _changed(folder)))
    state = "ended" if (folder / PAGE).is_file() else "going on, or stopped"
    return {"run": name, "trials": f"{lines:,}", "state": state, "last change": f"{ago} ago"}


@contextmanager
def serving(watched: Watched, port: int) -> Iterator[ThreadingHTTPServer]:
    """A server for this machine alone, on this port (0: any that is free).

    Raises:
        Fault: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers.get("Host", "").partition(":")[0]
            try:
                path = unquote(urlsplit(self.path).path)
                text = watched.answer(path) if host in _HOSTS else None
            except (Fault, OSError) as error:  # such as a folder that has just gone
                text, self.path = str(error), "stamp"
            if text is None:
                self.send_error(404)
                return
            data = text.encode()
            kind = "text/plain" if self.path.endswith("stamp") else "text/html"
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Says nothing of every request."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise Fault(f"port {port} cannot be taken ({error.strerror}); try port=0") from error
    server.daemon_threads = True
    with server:
        yield server
