"""The task of a run that goes on from another one: it keeps to that run's splits."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli.data import identity, membership

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
