"""Composed configs, without Hydra's global state: the program around us may use Hydra itself."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.errors import HydraException
from hydra.types import RunMode
from hydra.version import VersionBase, setbase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from nascli.config import overrides, shapes
from nascli.config.files import root
from nascli.core.fault import Fault, first_line
from nascli.runs import aliases

_VERSION = "1.3"
_OUTPUTS = "outputs"  # where run folders go by default
_COMPOSING = threading.Lock()


@dataclass(frozen=True)
class Asked:
    """What is asked for: a verb, the composed config, and what it was composed of.

    `choices` says config group -> option, `overrides` what was written, `command` the whole command
    line, `directories` the user's own config folders; `old_names` has a line on every name of an
    earlier version that a user's own YAML has.
    """

    verb: str
    config: DictConfig
    choices: Mapping[str, str]
    overrides: Sequence[str]
    command: str
    directories: Sequence[Path] = ()
    old_names: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        verb: str,
        composed: DictConfig,
        settings: Any,
        directories: Sequence[Path] = (),
        command: Sequence[str] = (),
    ) -> Asked:
        """From a config and what Hydra says of it; without a `command` as the overrides give it.

        Raises:
            Fault: the config does not hold what is read from it.
        """
        config, old = renamed(composed)
        shapes.check(verb, resolved(config))
        chosen = settings.runtime.choices.items()
        choices = {str(k): str(v) for k, v in chosen if not str(k).startswith("hydra/")}
        overrides = OmegaConf.to_container(settings.overrides.task, resolve=False)
        assert isinstance(overrides, list)
        line = shlex.join(command or ["nas", verb, *overrides])
        return cls(verb, config, choices, overrides, line, directories, old)

    def with_config(self, composed: DictConfig) -> Asked:
        """The same, asked of another config."""
        return replace(self, config=composed)

    def then(self, verb: str, *words: str, outputs: object = None) -> str:
        """The command line of `nas verb` for what came of this one, as a shell takes it.

        It finds the user's own components again, and images that have moved, and writes to the same
        `outputs`.
        """
        flags = [text for folder in self.directories for text in ("--config-dir", str(folder))]
        kept = [f"outputs={outputs}"] if outputs not in (None, _OUTPUTS) else []
        if self.config.get("resume"):
            kept += [text for text in self.overrides if text.startswith("data.path=")]
        command = OmegaConf.select(self.config, "device.command")
        if command and any(word.startswith("resume=") for word in words):  # see recorded.opened
            kept.append(f"device.command={overrides.written(command)}")
        return shlex.join(["nas", verb, *flags, *words, *kept])

    def plain(self) -> dict[str, Any]:
        """The config as plain data."""
        return resolved(self.config)


def resolved(config: DictConfig) -> dict[str, Any]:
    """A config as plain data.

    Raises:
        Fault: a value refers to something that is not there.
    """
    try:
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    except OmegaConfBaseException as error:
        where = f"{error.full_key}: " if error.full_key else ""
        raise Fault(f"{where}{first_line(error)}") from error


def renamed(config: DictConfig) -> tuple[DictConfig, list[str]]:
    """A config under today's names, and a line on each old one, which a user's own YAML may have.

    A recorded run's config comes through `runs.reading` instead.
    """
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    new, lines = aliases.config(plain)
    return (OmegaConf.create(new) if lines else config), lines


def asked(
    verb: str,
    overrides: Sequence[str],
    directories: Sequence[Path] = (),
    command: Sequence[str] = (),
) -> Asked:
    """What these overrides ask of a verb; Hydra's own exceptions pass."""
    config = _loaded(verb, overrides, directories)
    settings = config.hydra
    with open_dict(config):
        del config["hydra"]
    return Asked.of(verb, config, settings, directories, command)


def composed(verb: str, overrides: Sequence[str], directories: Sequence[Path] = ()) -> DictConfig:
    """The config of `nas verb`; Hydra's own exceptions pass."""
    return asked(verb, overrides, directories).config


def _loaded(verb: str, overrides: Sequence[str], directories: Sequence[Path]) -> DictConfig:
    places = create_config_search_path(f"file://{root()}")
    for folder in directories:
        places.prepend("command-line", f"file://{folder.resolve()}", anchor="schema")
    try:
        with _versioned():
            return ConfigLoaderImpl(places).load_configuration(
                verb, list(overrides), run_mode=RunMode.RUN, from_shell=False
            )
    except HydraException:
        raise
    except Exception as error:  # a YAML of the user's may hold anything
        if not directories and not isinstance(error, OmegaConfBaseException):
            raise
        words = " ".join(str(error).split())
        found = [f"'{file}' is not a readable config: {why}" for file, why in _unread(directories)]
        raise Fault("\n".join(found) or f"the configs cannot be composed: {words:.300}") from error


def _unread(directories: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """The user's configs that are no YAML of a mapping, and why."""
    for file in [file for folder in directories for file in sorted(folder.glob("*/*.yaml"))]:
        try:
            if not isinstance(OmegaConf.load(file), DictConfig):
                yield file, "it is no mapping"
        except Exception as error:  # as above
            yield file, f"{' '.join(str(error).split()) or type(error).__name__:.300}"


@contextmanager
def _versioned() -> Iterator[None]:
    """Hydra's rules are those of one version meanwhile, whatever the program around us has set."""
    with _COMPOSING:
        rules = VersionBase.instance()
        before = rules.version_base
        setbase(_VERSION)
        try:
            yield
        finally:
            rules.version_base = before
