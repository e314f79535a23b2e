"""Searches on record: which folders hold one, and what a comparison needs of each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from nascli.analysis.comparison import Record, unbeaten
from nascli.core import history_file
from nascli.core.fault import Fault
from nascli.core.history_file import Entry
from nascli.runs import reading
from nascli.runs.folder import CONFIG, HISTORY, REPORT

Loss = Callable[[Mapping[str, float]], Sequence[float]]
_DEPTH = 3  # folders below one that is named: outputs, its verbs, the runs of a multirun
_SEED = re.compile(r"^seed: *(-?\d+) *$", re.MULTILINE)
_STRATEGY = re.compile(r"^strategy:", re.MULTILINE)


def find(references: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """The run folders of searches that are named, or that lie below the folders named; each once.

    Below a folder runs of other verbs are passed over, and so are searches without a trial. Those
    that are named among others come second: there is nothing of them to compare.

    Raises:
        Fault: there is no such folder, it is the run of another verb, or no search lies below it;
            or none of the searches has a trial.
    """
    found: dict[Path, Path] = {}
    dead: dict[Path, Path] = {}
    for reference in references:
        path = Path(reference)
        if not path.is_dir():
            raise Fault(f"no run folder at '{path}'")
        folders = [_named(path)] if (path / CONFIG).is_file() else list(_below(path))
        if not folders:
            raise Fault(f"'{path}' is not the run folder of a search, and there is none below it")
        for folder in folders:
            of = found if _has_trials(folder) else dead
            of.setdefault(folder.resolve(), folder)
    if not found and dead:
        path = next(iter(dead.values()))
        raise Fault(f"'{path}' is a search without a trial: its {HISTORY} is empty or missing")
    return list(found.values()), list(dead.values())


def _named(path: Path) -> Path:
    if not is_search(path):
        raise Fault(f"'{path}' is not the run folder of a search: its config has no strategy")
    return path


def _has_trials(folder: Path) -> bool:
    file = folder / HISTORY
    return file.is_file() and file.stat().st_size > 0


def _below(path: Path) -> Iterator[Path]:
    """The searches below a folder; drafts of folders start with a dot."""
    for depth in range(1, _DEPTH + 1):
        for file in sorted(path.glob("*/" * depth + HISTORY)):
            folder = file.parent
            hidden = any(part.startswith(".") for part in folder.relative_to(path).parts)
            if not hidden and (folder / CONFIG).is_file() and is_search(folder):
                yield folder


def is_search(folder: Path) -> bool:
    """Whether a run folder is a search's: of all verbs it alone has a strategy.

    Raises:
        Fault: the config cannot be read.
    """
    return _STRATEGY.search(_text(folder / CONFIG)) is not None


def seed_apart(file: Path) -> tuple[int, str]:
    """The seed that a config names, and the rest of its text: the same for runs that differ by it.

    Raises:
        Fault: it cannot be read, or names no seed.
    """
    text = _text(file)
    match = _SEED.search(text)
    if match is None:
        raise Fault(f"'{file}' is not the config of a search: it names no seed")
    return int(match[1]), _SEED.sub("", text)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Fault(f"'{file}' is not a readable config: {error}") from error


def read(path: Path, seed: int, fidelity: float, loss: Loss, goals: int) -> Record:
    """One run, of which the trials at `fidelity` count. Nothing in the folder is changed.

    Raises:
        Fault: the history or the report is damaged; it says where.
    """
    entries = history_file.read(path / HISTORY)
    rows, ends = [], {"queries": 0.0, "seconds": 0.0}
    for entry in entries:
        used, elapsed = _so_far(entry)
        ends = {"queries": used, "seconds": max(elapsed, ends["seconds"])}
        losses = _losses(entry, fidelity, loss)
        if losses and all(map(math.isfinite, losses)):
            rows.append((used, ends["seconds"], *losses))
    table = np.array(rows, dtype=float).reshape(len(rows), 2 + goals)
    kept = table[unbeaten(table[:, 2:])]
    report = reading.report(path)
    return Record(
        name=str(path),
        seed=seed,
        queries=kept[:, 0],
        seconds=kept[:, 1],
        losses=kept[:, 2:],
        worst=table[:, 2:].max(axis=0, initial=-math.inf),
        ends=ends,
        trials=len(entries),
        finished=report is not None,
        final=_final(report or {}, path / REPORT),
    )


def _so_far(entry: Entry) -> tuple[float, float]:
    """What had been used of the budget, and the seconds."""
    if entry.used is None or entry.elapsed is None:
        raise Fault(
            f"{entry.where} does not say what was used of the budget: an older nascli wrote it; "
            "search again to compare"
        )
    return entry.used, entry.elapsed


def _losses(entry: Entry, fidelity: float, loss: Loss) -> Sequence[float]:
    """Empty for a trial that does not compare."""
    trial = entry.trial
    if trial.error is not None or trial.infeasible is not None or trial.fidelity != fidelity:
        return ()
    try:
        return loss(trial.metrics)
    except KeyError as error:
        raise Fault(f"{entry.where} has no {error}, which the runs are compared by") from error


def _final(report: Mapping[str, object], file: Path) -> dict[str, float]:
    """The numbers that a report has of the answer alone."""
    final = report.get("final") or {}
    if not isinstance(final, Mapping):
        raise Fault(f"'{file}' is damaged: final is {final!r:.80}, not an object")
    return {str(k): float(v) for k, v in final.items() if isinstance(v, (int, float))}
