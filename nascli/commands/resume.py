"""Stopping and going on: the config of a run folder is data that may come from anyone."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nascli import ui
from nascli.config import targets
from nascli.core.fault import Fault
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
    recorded = load(path / CONFIG)
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


def load(file: Path) -> DictConfig:
    """A composed config from a file.

    Raises:
        Fault: it is unreadable, or would build something that no config at hand would.
    """
    plain = read(file)
    check_targets(plain, file)
    return OmegaConf.create(plain)


def read(file: Path) -> dict[str, Any]:
    """A composed config as plain data, of which nothing is to be built yet.

    Raises:
        Fault: it is unreadable.
    """
    try:
        config = OmegaConf.load(file)
        plain = OmegaConf.to_container(config, resolve=True)
    except (OSError, ValueError, OmegaConfBaseException, Exception) as error:
        raise Fault(f"'{file}' is not a readable config: {str(error).splitlines()[0]}") from error
    if not isinstance(plain, dict):
        raise Fault(f"'{file}' is not a config of nascli")
    return cast(dict[str, Any], plain)


def check_targets(node: Any, file: Path, directories: Sequence[Path] = ()) -> None:
    """Raises a Fault if `node`, from `file`, would build what no config at hand would."""
    known = targets(directories)
    for target in _targets(node):
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
