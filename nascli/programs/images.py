"""Which images a run has in which split: said first, written down, and held to later."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from nascli.core.problem import Problem
from nascli.data import identity, membership
from nascli.data.task import Task
from nascli.runs.folder import Run


def record(run: Run, problem: Problem, *, tested: bool) -> None:
    """Says classes and sizes, and writes the splits down, or holds them against what is written.

    Every image that will be needed is opened before: those of the test split if it is to be
    `tested`. A search that looks at no image has nothing to say.

    Raises:
        Fault: an image cannot be read, or they are not those that the run began with.
    """
    task = cast(Task, problem.task)
    if not tested and not identity.was_read(task):
        return
    identity.check(task, ("train", "valid", "test") if tested else ("train", "valid"))
    now = identity.membership(task)
    before = membership.read(run.place / membership.FILE)
    if before is None:
        run.write(membership.FILE, now.text())
    else:
        before.check_same(now, f"'{run.path}'")
    for line in identity.words(task):
        problem.listener.warn(line)


def were_read(problem: Problem) -> bool:
    """Whether any image was needed yet."""
    return identity.was_read(problem.task)


def same(folder: Path, problem: Problem) -> None:
    """Raises a Fault if the images are not those on record in the run folder, where there are."""
    before = membership.read(folder / membership.FILE)
    if before is not None:
        before.check_same(identity.membership(cast(Task, problem.task)), f"'{folder}'")


def wanted(name: str) -> str:
    """What the next command needs whose images nobody has asked for yet."""
    return f"        (with the images of {name}: data.path=FOLDER, or data.download=true)"
