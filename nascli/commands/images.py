"""Which images a run has in which split: said first, written down, and held to later."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig

from nascli import ui
from nascli.data import identity, membership
from nascli.data.task import Task
from nascli.runs.folder import Run

_EARLIER = ("resume", "supernet", "genotype")  # keys that name the run which this one goes on from


def task(config: DictConfig, made: Any) -> Any:
    """The task, which keeps to the splits of the run that is gone on from, if there is one.

    Raises:
        Fault: what that run has on record is damaged.
    """
    for key in _EARLIER:
        reference = config.get(key)
        before = _on_record(Path(str(reference)).expanduser()) if reference else None
        if before is not None:
            identity.keep(made, before)
            break
    if made is not None:
        _ = made.input_shape, made.classes  # faults of the data are said as such, not as a space's
    return made


def _on_record(path: Path) -> membership.Membership | None:
    """Of the run folder at `path`, or that a genotype at `path` lies in."""
    for folder in (path, *path.parents[:2]):
        with suppress(OSError):  # a genotype's text may be no possible path
            if path.exists() and (folder / membership.FILE).is_file():
                return membership.read(folder / membership.FILE)
    return None


def recorded(run: Run, made: object, *, tested: bool) -> None:
    """Says classes and sizes, and writes the splits down, or holds them against what is written.

    Every image that will be needed is opened before: those of the test split if it is to be
    `tested`. A search that looks at no image has nothing to say.

    Raises:
        Fault: an image cannot be read, or they are not those that the run began with.
    """
    of = cast(Task, made)
    if not tested and not identity.was_read(of):
        return
    identity.check(of, ("train", "valid", "test") if tested else ("train", "valid"))
    now = identity.membership(of)
    before = membership.read(run.path / membership.FILE)
    if before is None:
        run.write(membership.FILE, now.text())
    else:
        before.check_same(now, f"'{run.path}'")
    for line in identity.words(of):
        ui.say(line)


def same(folder: Path, made: object) -> None:
    """Raises a Fault if the images are not those on record in the run folder, where there are."""
    before = membership.read(folder / membership.FILE)
    if before is not None:
        before.check_same(identity.membership(cast(Task, made)), f"'{folder}'")
