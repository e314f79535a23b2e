"""Run folders of searches as data: where they lie, what they were asked, and what came of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from nascli.analysis.comparison import Record, unbeaten
from nascli.core.fault import Fault
from nascli.runs.folder import CONFIG, HISTORY

Loss = Callable[[Mapping[str, float]], Sequence[float]]
_DEPTH = 3  # folders below one that is named
_SEED = re.compile(r"^seed: *(-?\d+) *$", re.MULTILINE)
_Row = tuple[float, float, Sequence[float]]


def find(references: Iterable[str]) -> list[Path]:
    """The run folders of searches that are named, or that lie below the folders named; each once.

    Raises:
        Fault: there is no such folder, it is no search, or there is none below it.
    """
    found: dict[Path, Path] = {}
    for reference in references:
        path = Path(reference)
        if not path.is_dir():
            raise Fault(f"no run folder at '{path}'")
        folders = [path] if (path / CONFIG).is_file() else list(_below(path))
        if not folders:
            raise Fault(f"'{path}' is not the run folder of a search, and there is none below it")
        if not (folders[0] / HISTORY).is_file():
            raise Fault(f"'{path}' is not the run folder of a search: it has no {HISTORY}")
        for folder in folders:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


def _below(path: Path) -> Iterator[Path]:
    """The searches below a folder; drafts of folders start with a dot."""
    for depth in range(1, _DEPTH + 1):
        for file in sorted(path.glob("*/" * depth + HISTORY)):
            folder = file.parent
            hidden = any(part.startswith(".") for part in folder.relative_to(path).parts)
            if (folder / CONFIG).is_file() and not hidden:
                yield folder


def seed_apart(file: Path) -> tuple[int, str]:
    """The seed that a config names, and the rest of its text: the same for runs that differ by it.

    Raises:
        Fault: it cannot be read, or names no seed.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Fault(f"'{file}' is not a readable config: {error}") from error
    match = _SEED.search(text)
    if match is None:
        raise Fault(f"'{file}' is not the config of a search: it names no seed")
    return int(match[1]), _SEED.sub("", text)


def read(path: Path, seed: int, fidelity: float, loss: Loss, goals: int) -> Record:
    """One run, of which the trials at `fidelity` count. Nothing in the folder is changed.

    Raises:
        Fault: the history or the report is damaged; it says where.
    """
    file, rows, ends, trials = path / HISTORY, [], {"queries": 0.0, "seconds": 0.0}, 0
    for used, elapsed, losses in _rows(file, fidelity, loss):
        trials += 1
        ends = {"queries": used, "seconds": max(elapsed, ends["seconds"])}
        if losses and all(map(math.isfinite, losses)):
            rows.append((used, ends["seconds"], *losses))
    table = np.array(rows, dtype=float).reshape(len(rows), 2 + goals)
    kept = table[unbeaten(table[:, 2:])]
    return Record(
        name=str(path),
        seed=seed,
        queries=kept[:, 0],
        seconds=kept[:, 1],
        losses=kept[:, 2:],
        worst=table[:, 2:].max(axis=0, initial=-math.inf),
        ends=ends,
        trials=trials,
        finished=(path / "report.json").is_file(),
        final=_final(path / "report.json"),
    )


def _rows(file: Path, fidelity: float, loss: Loss) -> Iterator[_Row]:
    """Per trial what was used of the budget, the seconds, and the losses (empty: not comparable).

    A last line without its end is one that a search is just writing, or was killed in writing.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Fault(f"cannot read '{file}': {error.strerror}") from error
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            good = row["error"] is None and row["infeasible"] is None
            losses = loss(row["metrics"]) if good and row["fidelity"] == fidelity else ()
            if "used" not in row:
                raise Fault(
                    f"'{file}', line {number} does not say what was used of the budget: an older "
                    "nascli wrote it; search again to compare"
                )
            yield float(row["used"]), float(row["elapsed"]), losses
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            text = f"no {error}" if isinstance(error, KeyError) else error
            raise Fault(f"'{file}', line {number} is damaged: {text}") from error


def _final(file: Path) -> dict[str, float]:
    """The numbers that a report has of the answer alone; none of a run that has no report yet."""
    if not file.is_file():
        return {}
    try:
        final = json.loads(file.read_text(encoding="utf-8")).get("final") or {}
        return {str(k): float(v) for k, v in final.items() if isinstance(v, (int, float))}
    except (OSError, ValueError, AttributeError) as error:
        raise Fault(f"'{file}' is damaged: {error}") from error
