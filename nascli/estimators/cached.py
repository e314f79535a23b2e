"""Keeps the answers of another estimator in a file, so that no run asks twice."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from nascli import __version__
from nascli.core import plain
from nascli.core.estimator import Estimator, Stateful
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.regular import opened
from nascli.core.traits import name_of, traits_of
from nascli.core.trial import Proposal
from nascli.data.identity import membership, was_read
from nascli.data.task import Task

_KEYS = {"fingerprint", "choices", "fidelity", "metrics"}
_BEGINNING = b'{"fingerprint": "'  # of every line that any version has written

Key = tuple[Genotype, float]
Metrics = dict[str, float]


class Cached:
    """Answers from the file what is in it, asks the other estimator for the rest, and writes it.

    An answer belongs to a genotype (equivalent ones share it unless the other estimator tells them
    apart), a fidelity, and a fingerprint of all else that it depends on. So one file serves any
    number of settings, and none gets the answers of another. A line of the file is a JSON object
    with `fingerprint`, `choices`, `fidelity` and `metrics`. Processes may share it at the same
    time: each takes a lock to write, and reads what the others have added. A last line that a crash
    cut short is dropped; a file that holds anything else is never written. Estimates that fail are
    not kept.

    Args:
        problem: its seed is part of the fingerprint, and so are its images if they are looked at.
        of: makes the other estimator from the problem; its settings are part of the fingerprint.
        path: the file; it is made when there is something to keep.
        depends: whatever else the answers depend on, as text.

    Raises:
        Fault: the other estimator shares weights or may answer differently when asked again, or the
            file is damaged or not one of these.
    """

    def __init__(
        self, problem: Problem, of: Callable[[Problem], Estimator], path: str, depends: str = ""
    ) -> None:
        if traits_of(of).weight_sharing:
            raise Fault(
                f"{name_of(of)} cannot be kept: its answers belong to the shared weights of one "
                "search; use it without estimator=cached"
            )
        self._of = of(problem)
        self.traits = traits_of(self._of)  # whole: this one answers as the other does
        if not self.traits.repeatable:
            raise Fault(
                f"{type(self._of).__name__} cannot be kept: its answers change as weights are "
                "trained; use it without estimator=cached"
            )
        self.metrics, self.meaning = self._of.metrics, self._of.meaning
        self._space = problem.space
        self._path = Path(path)
        self._read = 0  # bytes of the file that are known
        self._answers: dict[Key, Metrics] = {}
        self._task = problem.task
        asked = [metric for metric in self.metrics if metric in self.traits.on_request]
        self._depends = (__version__, of, problem.seed, problem.space.name, depends, *asked)
        self._identified = was_read(self._task)
        self._fingerprint = self._identity()
        self._refresh()

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The kept answer, or a new one.

        Raises:
            Fault: the file cannot be read or written.
        """
        genotype = proposal.genotype
        key = (
            genotype if self.traits.by_genotype else self._space.canonical(genotype),
            proposal.fidelity,
        )
        if key not in self._answers:
            self._refresh()
        if key not in self._answers:
            metrics = dict(self._of.estimate(proposal))
            if was_read(self._task) and not self._identified:  # it is only known from now on
                self._identified, self._read = True, 0
                self._answers.clear()
                self._fingerprint = self._identity()
            self._keep(key, metrics)
        return dict(self._answers[key])

    def state_dict(self) -> dict[str, Any]:
        """The other estimator's; empty if it has none."""
        return self._of.state_dict() if isinstance(self._of, Stateful) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        if isinstance(self._of, Stateful):
            self._of.load_state_dict(state)

    def _identity(self) -> str:
        """What an answer depends on, the images too unless none has been looked at."""
        images = membership(cast(Task, self._task)).fingerprint if self._identified else ""
        return _fingerprint(*self._depends, images)

    def _refresh(self) -> None:
        """Takes in the whole lines that the file has gained."""
        with _guarded(self._path, "read"):
            try:
                with opened(self._path) as file:
                    file.seek(self._read)
                    data = file.read()
            except (FileNotFoundError, NotADirectoryError):
                return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._take(line)
            self._read += len(line) + 1
        _check_cut(rest, self._path)

    def _take(self, line: bytes) -> None:
        try:
            said = plain.parsed(line)
            if said["fingerprint"] != self._fingerprint and {*said} >= _KEYS:
                return
            genotype = Genotype.from_json({"space": self._space.name, "choices": said["choices"]})
            key = (genotype, plain.amount(said, "fidelity"))
            told = plain.numbers(said, "metrics")
            metrics = {name: told[name] for name in self.metrics}
        except (ValueError, KeyError, TypeError, Fault) as error:
            raise Fault(
                f"'{self._path}' has a damaged line ({line!r:.80}); delete it, or the file"
                if self._read
                else _foreign(self._path, line)
            ) from error
        self._answers.setdefault(key, metrics)

    def _keep(self, key: Key, metrics: Metrics) -> None:
        """Adds an answer to the file in one piece."""
        self._answers[key] = metrics
        said = {"fingerprint": self._fingerprint, "choices": key[0].choices, "fidelity": key[1]}
        line = json.dumps({**said, "metrics": metrics}).encode() + b"\n"
        with _guarded(self._path, "write"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b", buffering=0) as file, _locked(file):
                start = _end_of_lines(file)
                file.seek(start)
                _check_cut(file.read(), self._path)
                file.truncate(start)
                if file.write(line) != len(line):
                    file.truncate(start)
                    raise OSError(errno.ENOSPC, "No space left on device")


def _check_cut(rest: bytes, path: Path) -> None:
    """Raises a Fault if what stands after the last line end is no beginning of a line of ours."""
    if rest[: len(_BEGINNING)] != _BEGINNING[: len(rest)]:
        raise Fault(_foreign(path, rest))


def _foreign(path: Path, line: bytes) -> str:
    return (
        f"'{path}' is not a file that estimator=cached has written ({line!r:.80}); nothing is "
        "written to it: give another estimator.path"
    )


def _fingerprint(*parts: object) -> str:
    """The same for the same parts, in any process."""
    return hashlib.sha256("\n".join(map(_text, parts)).encode()).hexdigest()[:16]


def _text(part: object) -> str:
    """What stands in a config, as text; a class or function by its name."""
    if isinstance(part, functools.partial):
        settings = sorted(part.keywords.items())
        return f"{_text(part.func)}({', '.join(f'{key}={_text(v)}' for key, v in settings)})"
    if callable(part) and hasattr(part, "__qualname__"):
        return f"{part.__module__}.{part.__qualname__}"
    return repr(part)


def _end_of_lines(file: IO[bytes]) -> int:
    """Where the last whole line ends: under the lock the rest can only be a line cut short."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


@contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    """Alone with the file; closing it gives it back."""
    try:
        import fcntl
    except ImportError:  # Windows has no flock
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


@contextmanager
def _guarded(path: Path, verb: str) -> Iterator[None]:
    """Turns what the file system refuses into one clear message."""
    try:
        yield
    except OSError as error:
        raise Fault(f"cannot {verb} '{path}': {error.strerror or error}") from error
