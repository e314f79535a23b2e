"""The run folder: the only code that writes files under outputs/."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from nascli.core import history_file
from nascli.core.fault import Fault
from nascli.core.regular import contents
from nascli.core.trial import Trial
from nascli.runs import aliases
from nascli.runs.sealing import seal

HISTORY, STATE, CONFIG = history_file.FILE, "state.pt", "config.yaml"
ENVIRONMENT, REPORT, PAGE = "environment.json", "report.json", "report.html"
WEIGHTS = "weights.pt"  # of the network that a retraining is for
_WITHOUT = "delete it to do without"  # what is damaged


class Run:
    """One folder, claimed by exactly one process at a time.

    `path` is what it was called by, `place` where it is, whatever the working folder becomes.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, path.absolute()
        self._history_path = self.place / HISTORY
        self._history: IO[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @classmethod
    def claim(cls, outputs: Path, verb: str, label: str, files: Mapping[str, str]) -> Run:
        """Makes a new folder `outputs/verb/<time>_<label>` with these files in it.

        The folder appears whole: it is filled under another name and then renamed, which fails if
        another process has the name. So no process ever sees a run without its config.

        Raises:
            Fault: the folder cannot be made.
        """
        parent, name = outputs / verb, f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{label}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
            draft.chmod(0o755)
            for file, text in files.items():
                (draft / file).write_text(text, encoding="utf-8")
            run = cls(_moved(draft, parent, name))
        except OSError as error:
            raise Fault(
                f"cannot make a run folder under '{outputs}': {error.strerror}; "
                "choose another place with outputs=FOLDER"
            ) from error
        run._take()
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """Takes an existing folder to go on writing in it.

        Raises:
            Fault: it is not a run folder, or another process is writing in it.
        """
        if not path.is_dir():
            raise Fault(f"no run folder at '{path}'")
        if not (path / CONFIG).is_file():
            raise Fault(f"'{path}' is not a run folder: it has no {CONFIG}")
        run = cls(path)
        run._take()
        return run

    def _take(self) -> None:
        """Locks the folder until this process ends."""
        try:
            import fcntl
        except ImportError:  # Windows has no flock
            return
        with _guarded(self.path):
            self._lock = (self.place / ".lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Fault(f"another process is writing in '{self.path}'; wait for it") from error

    def close(self) -> None:
        """Lets another process, or another call in this one, go on with the folder."""
        for file in filter(None, (self._history, self._lock)):
            file.close()
        self._history = self._lock = None

    def write(self, name: str, text: str) -> None:
        """Writes a whole file: temporary name, then rename, so that no reader sees half of it.

        Raises:
            Fault: the disk takes no more; what was written before is intact.
        """
        path = self.place / name
        with _guarded(path):
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)

    def write_json(self, name: str, data: object) -> None:
        """Writes `data` as readable JSON; raises as `write` does."""
        self.write(name, json.dumps(data, indent=2) + "\n")

    def log(self, line: str) -> None:
        """Adds a line to log.txt; a disk that takes no more lines must not hide what they say."""
        with suppress(OSError), (self.place / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")

    def append(self, trial: Trial, used: float | None = None, elapsed: float | None = None) -> None:
        """Adds one trial to the history and hands it to the operating system.

        `used` and `elapsed` stand beside it in the line: what a search had used of its budget by
        then, and its seconds, which the trial alone does not tell. `history` leaves them aside.

        Raises:
            Fault: the disk takes no more; the lines before are intact.
        """
        line = history_file.line(trial, used, elapsed)
        with _guarded(self._history_path):
            if self._history is None:
                self._history = self._history_path.open("ab", buffering=0)
            start = self._history.tell()
            try:
                if self._history.write(line) != len(line):
                    raise OSError(errno.ENOSPC, "No space left on device")
            except OSError:
                with suppress(OSError):
                    self._history.truncate(start)
                raise

    def history(self) -> list[Trial]:
        """The trials on record; a last line cut short by a crash is dropped, from the file too.

        Raises:
            Fault: the file cannot be read, or a line is damaged.
        """
        path = self._history_path
        if not path.exists():
            return []
        with _guarded(path):
            data = contents(path, history_file.MOST_BYTES)
            whole = len(history_file.whole(data))
            if whole < len(data):
                os.truncate(path, whole)
        return [entry.trial for entry in history_file.entries(data, path)]

    def save_state(self, state: Mapping[str, Any], name: str = STATE) -> None:
        """Replaces state.pt in one step, once the history it belongs to is on the disk.

        Or another file of such a kind, under its `name`.

        Raises:
            Fault: the disk takes no more; the state before is intact.
        """
        with _guarded(self.path / name):
            if self._history is not None:
                os.fsync(self._history.fileno())
        self.save(name, {"format": aliases.STATE_FORMAT, "seal": seal(state), **state})

    def load_state(
        self,
        *keys: str,
        older: Callable[[dict[str, Any]], dict[str, Any]] = lambda state: state,
        name: str = STATE,
        remedy: str = _WITHOUT,
    ) -> dict[str, Any] | None:
        """What `save_state` wrote last, with at least these keys; None if it never did.

        What an earlier version wrote comes in today's layout; `older` does what only the program
        of this run can do of that. `remedy` says what to do where the file is damaged.

        Raises:
            Fault: the file is corrupt, of a newer version, or not of this kind of run.
        """
        file = self.place / name
        if not file.exists():
            return None
        state = self.load(name, remedy)
        written = state.get("format", 1) if isinstance(state, dict) else None
        if type(written) is int and written > aliases.STATE_FORMAT:
            raise Fault(
                f"'{file}' has format {written}, and this nascli reads formats up to "
                f"{aliases.STATE_FORMAT}: a newer one wrote it; install that one to go on"
            )
        if type(written) is not int or written < 1:
            said = "" if written is None else f" (its format is {written!r:.80})"
            raise Fault(f"'{file}' is not a checkpoint{said}; {remedy}")
        inside = {key: value for key, value in state.items() if key not in ("format", "seal")}
        if state.get("seal") != (seal(inside) if written >= aliases.SEALED else None):
            raise Fault(
                f"'{file}' does not belong to this search, for it holds something else than was "
                f"saved; {remedy}"
            )
        found = older(aliases.state(inside, written))
        if not set(keys) <= set(found):
            raise Fault(f"'{file}' is not a checkpoint of this kind of run; {remedy}")
        return found

    def save(self, name: str, data: Mapping[str, Any]) -> None:
        """Writes tensors and plain values: temporary name, then rename.

        Raises:
            Fault: the disk takes no more; what was written before is intact.
        """
        import torch

        path = self.place / name
        temporary = path.with_name(f".{path.name}.tmp")
        with _guarded(path):
            path.parent.mkdir(exist_ok=True)
            try:
                with temporary.open("wb") as file:
                    torch.save(dict(data), file)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except (OSError, RuntimeError) as error:
                with suppress(OSError):
                    temporary.unlink()
                if isinstance(error, OSError):
                    raise
                raise OSError(errno.ENOSPC, f"No space left on device ({error})") from error

    def remove(self, name: str) -> None:
        """Removes a file that is needed no more, if it is there."""
        with suppress(OSError):
            (self.place / name).unlink()

    def load(self, name: str, remedy: str = _WITHOUT) -> Any:
        """What `save` wrote, on the CPU; never runs code from the file.

        Raises:
            Fault: the file is corrupt or holds something else.
        """
        import torch

        path = self.place / name
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # every kind of damage raises its own kind
            raise Fault(
                f"'{path}' is corrupt or was not written by nascli ({type(error).__name__}); "
                f"{remedy}"
            ) from error


def _moved(draft: Path, parent: Path, name: str) -> Path:
    """Renames `draft` to the first free name; a folder that has files is never replaced."""
    for suffix in itertools.count(1):
        path = parent / (name if suffix == 1 else f"{name}-{suffix}")
        try:
            return draft.rename(path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
    raise AssertionError("there is always a next suffix")


class _guarded:  # noqa: N801 - reads as a statement
    """Turns what the file system refuses into one clear message."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise Fault(
                f"cannot write '{self._path}': {error.strerror or error}; "
                "what was written before is intact"
            ) from error


class Checkpoint:
    """Decides when state.pt is worth writing.

    The history alone is enough to resume, by taking the recorded steps again; a checkpoint only
    spares that work. So it waits until it would spare over a second, and at least twenty times
    what it costs itself; importing torch, where the search has no use for it, counts.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._cost = 0.05
        self._last = time.monotonic()

    def maybe(self, state: Any) -> None:
        """Saves what `state()` gives, if it is time."""
        cost = self._cost if "torch" in sys.modules else 1.5
        start = time.monotonic()
        if start - self._last < max(1.0, 20 * cost):
            return
        self._run.save_state(state())
        self._last = time.monotonic()
        self._cost = self._last - start
