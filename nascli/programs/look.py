"""A first look at a data set, as a page with a contact sheet for every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.core.words import command
from nascli.data import identity, looks
from nascli.data.looks import Looks
from nascli.data.task import Task
from nascli.programs.reporting import Then, write_report
from nascli.report.page import Content
from nascli.runs.folder import Run


def look(task: Task) -> tuple[Looks, Sequence[str]]:
    """What is found in the images, and what a search on them would say first.

    Raises:
        Fault: an image cannot be read.
    """
    return looks.look(task), identity.words(task)


def write(
    run: Run, task: Task, found: Looks, settings: Mapping[str, Any], then: Then = command
) -> None:
    """Writes what was found as report.json and report.html.

    Raises:
        Fault: the disk takes no more.
    """
    report = {
        "verb": "show",
        "title": f"{task.name} · {task.classes:,} classes",
        "classes": [{"class": name, **counts} for name, counts in found.counts.items()],
        "odd": list(found.odd) or ["nothing odd was found"],
    }
    first, *others = identity.words(task)
    mean, std = task.split("train").mean.tolist(), task.split("train").std.tolist()
    normal = f"networks see (pixel - mean) / std, mean {_few(mean)}, std {_few(std)}"
    content = Content(
        report,
        config=settings,
        notes=[first, normal, *others],
        sheets={name: [*map(looks.as_address, some)] for name, some in found.sheets.items()},
        then=[("search on these images:", then("search"))],
    )
    write_report(run, content)


def _few(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
