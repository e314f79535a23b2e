"""The lines of a history.jsonl: a trial each, and beside it what the search had used by then."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nascli.core import plain
from nascli.core.fault import Fault
from nascli.core.regular import contents
from nascli.core.trial import Trial

FILE = "history.jsonl"  # what a run folder calls it
MOST_BYTES = 10**10


def _plain(value: Any) -> Any:
    """A number of numpy's or torch's, which anyone's estimator may give, as Python's."""
    return value.item()


_encoded = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=_plain).encode


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history.

    `used` is what had been charged to the budget when the trial ended, `elapsed` how many seconds
    the search had taken; both None where nothing is searched, or an older version wrote the line.
    `where` names file and line, for messages.
    """

    trial: Trial
    where: str
    used: float | None = None
    elapsed: float | None = None


def line(trial: Trial, used: float | None = None, elapsed: float | None = None) -> bytes:
    """What `entries` reads back, with its line end."""
    row = trial.to_json()
    if used is not None:
        row["used"] = used
    if elapsed is not None:
        row["elapsed"] = elapsed
    return _encoded(row).encode() + b"\n"


def whole(data: bytes) -> bytes:
    """Without a last line that has no end: one that is just written, or that a crash cut short."""
    return data[: data.rfind(b"\n") + 1]


def entries(data: bytes, file: Path) -> Iterator[Entry]:
    """The whole lines of `data`, which stands in `file`; empty ones are passed over.

    Raises:
        Fault: a line is not a trial, or what stands beside it is no number; it says which line.
    """
    for number, text in enumerate(whole(data).splitlines(), 1):
        if not text.strip():
            continue
        where = f"'{file}', line {number}"
        try:
            row = plain.parsed(text)
            trial = Trial.from_json(row)
            yield Entry(trial, where, _amount(row, "used"), _amount(row, "elapsed"))
        except (ValueError, Fault) as error:
            raise Fault(f"{where} is damaged: {error}") from error


def read(file: Path) -> list[Entry]:
    """The whole lines of a history; nothing in the file is changed.

    Raises:
        Fault: it cannot be read, or a line is damaged.
    """
    try:
        data = contents(file, MOST_BYTES)
    except OSError as error:
        raise Fault(f"cannot read '{file}': {error.strerror}") from error
    return list(entries(data, file))


def _amount(row: Mapping[str, Any], key: str) -> float | None:
    """A number that is not below 0; None if there is none."""
    return None if row.get(key) is None else plain.amount(row, key)
