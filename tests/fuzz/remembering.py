"""What need not be done anew for every case: the shipped configs do not change meanwhile."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins

from nascli.config import check
from nascli.config.files import root

Plugins.instance()  # which makes the classes that are registered
_SOURCE: Any = SourcesRegistry.instance().resolve("file")
_load, _compose = _SOURCE.load_config, check._compose
_files: dict[str, Any] = {}


def remember() -> None:
    """Reads shipped configs once, and composes what is asked of them alone once."""
    _SOURCE.load_config = _loaded
    check._compose = _composed


def _loaded(self: Any, config_path: str) -> Any:
    if self.path != str(root()):
        return _load(self, config_path)
    if config_path not in _files:
        _files[config_path] = _load(self, config_path)
    return copy.deepcopy(_files[config_path])


def _composed(verb: str, chosen: Sequence[str], folders: Sequence[Path], found: list[str]) -> Any:
    if folders:
        return _compose(verb, chosen, folders, found)
    made, wrong = _chosen(verb, tuple(chosen))
    found.extend(wrong)
    return made


@functools.lru_cache(200)
def _chosen(verb: str, chosen: tuple[str, ...]) -> tuple[Any, list[str]]:
    wrong: list[str] = []
    return _compose(verb, chosen, [], wrong), wrong
