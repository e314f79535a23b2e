"""Sets searches of the same problem side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nascli.analysis import standings
from nascli.analysis.comparison import Axis, Comparison, Record
from nascli.analysis.significance import Contrast
from nascli.core.goal import Objective
from nascli.core.listener import Listener
from nascli.core.words import counted
from nascli.programs.reporting import write_report
from nascli.report import races, tabulation
from nascli.report.page import Content
from nascli.runs import searches
from nascli.runs.folder import Run

_NAMED = 5  # runs that are named one by one
_STEP = 50  # runs between two words about the progress
_SOON = 0.95  # of the longest run: whoever ends before that had clearly less of a budget


@dataclass(frozen=True)
class Parts:
    """Which runs are compared, and by what; `settings` is the config as plain data.

    `groups` says what a method is called -> the folders of its runs, with their seeds; `dead` are
    those that were named and have no trial. `loss` makes as many losses of a trial's metrics as
    there are `goals`.
    """

    groups: Mapping[str, Sequence[tuple[Path, int]]]
    dead: Sequence[Path]
    goals: tuple[Objective, ...]
    loss: searches.Loss
    fidelity: float
    axis: Axis
    at: float | None
    reference: Mapping[str, float] | None
    ideal: Mapping[str, float] | None
    log: bool
    paired: bool
    settings: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What the run folder is called after."""
        names = dict.fromkeys(group.partition(" ")[0] for group in self.groups)
        return "_".join(names)[:60]


@dataclass(frozen=True)
class Outcome:
    """What came out: the runs, the table, the tests, and what to know before believing them."""

    comparison: Comparison
    rows: Sequence[Mapping[str, Any]]
    contrasts: Sequence[Contrast]
    remarks: Sequence[str]


def read(parts: Parts, listener: Listener) -> Comparison:
    """Reads the runs.

    Raises:
        Fault: one of them is damaged, or they do not compare.
    """
    groups: dict[str, list[Record]] = {}
    runs = [(group, *run) for group, several in parts.groups.items() for run in several]
    for done, (group, path, seed) in enumerate(runs, 1):
        record = searches.read(path, seed, parts.fidelity, parts.loss, len(parts.goals))
        groups.setdefault(group, []).append(record)
        if done % _STEP == 0:
            listener.progress(done / len(runs), path.name)
    return Comparison(
        groups, parts.goals, parts.axis, parts.at, parts.reference, parts.ideal, parts.paired
    )


def compare(run: Run, parts: Parts, comparison: Comparison) -> Outcome:
    """Writes compare.csv, table.csv, figures and the report.

    Raises:
        Fault: the disk takes no more.
    """
    rows = standings.standings(comparison)
    found = standings.tests(comparison)
    run.write("compare.csv", tabulation.curves(comparison, log=parts.log))
    run.write("table.csv", tabulation.text(rows))
    report = tabulation.summary(comparison, rows, found)
    drawn = races.draw(comparison, [row["group"] for row in rows], log=parts.log)
    remarks = _remarks(comparison, parts.dead)
    write_report(run, Content(report, drawn, config=parts.settings, notes=remarks))
    return Outcome(comparison, rows, found, remarks)


def _remarks(comparison: Comparison, dead: Sequence[Path]) -> list[str]:
    """What one has to know of these runs before believing the table."""
    remarks = []
    if dead:
        remarks.append(f"left out, for they have no trial: {_few(list(map(str, dead)))}")
    unfinished = [record for record in comparison.records if not record.finished]
    if unfinished:
        names = [f"{record.name} ({counted(record.trials, 'trial')})" for record in unfinished]
        remarks.append(f"not ended, taken as far as they are: {_few(names)}")
    for group, seeds in standings.seeds(comparison).items():
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            several = ", ".join(map(str, twice))
            remarks.append(f"{group} has more than one run of seed {several}: they may be copies")
    ends = [record.ends[comparison.axis] for record in comparison.records]
    if comparison.at is None and min(ends) < _SOON * max(ends):
        same = math.floor(min(ends) * 1e3) / 1e3
        remarks.append(
            f"the runs end after {min(ends):.4g} to {max(ends):.4g} {comparison.axis}, and the "
            f"table takes each at its end; for equal budgets: at={same:g}"
        )
    return remarks


def _few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
