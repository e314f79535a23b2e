"""Stopping and going on: the config of a run folder is data that may come from anyone."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nascli import ui
from nascli.config import targets
from nascli.core.fault import Fault
from nascli.runs import aliases, reading
from nascli.runs.folder import CONFIG

_CHANGEABLE = ("budget.", "accelerator", "outputs", "resume")


def recorded_config(path: Path, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The run's own config, with the budget (and where it runs) as the command line now says.

    Raises:
        Fault: something else is to be changed, or the file names code that no config here names.
    """
    keys = [text.lstrip("+~").partition("=")[0] for text in overrides]
    bad = [key for key in keys if not key.startswith(_CHANGEABLE)]
    if bad:
        raise Fault(
            f"{', '.join(bad)} cannot change when a run is resumed; only budget.* and accelerator "
            "can: for anything else start a new run"
        )
    recorded = load(path)
    for key in keys:
        if key.startswith(("budget.", "accelerator")):
            OmegaConf.update(recorded, key, OmegaConf.select(config, key))
    recorded.resume = str(path)
    return recorded


@contextmanager
def stoppable(verb: str, path: Path) -> Iterator[None]:
    """Ctrl-C and SIGTERM say how to go on; what is saved is saved already."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        ui.say(f"interrupted; go on with: nas {verb} resume={path}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def load(folder: Path) -> DictConfig:
    """The composed config of a run folder.

    Raises:
        Fault: it is unreadable, or would build something that no config at hand would.
    """
    plain = reading.config(folder)
    check_targets(plain, folder / CONFIG)
    return OmegaConf.create(plain)


def check_targets(node: Any, file: Path, directories: Sequence[Path] = ()) -> None:
    """Raises a Fault if `node`, from `file`, would build what no config at hand would."""
    known = targets(directories)
    for target in map(aliases.target, _targets(node)):
        if target not in known:
            raise Fault(
                f"'{file}' would build '{target}', which no config of this installation names; "
                "if it is yours, give its folder with --config-dir"
            )


def _targets(node: Any) -> Iterator[str]:
    """Every `_target_` below a node."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
