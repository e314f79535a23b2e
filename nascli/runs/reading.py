"""The one reader of what a run folder holds beside its history; it changes nothing there.

Folders of earlier versions are read too: names come out as they are today (`runs.aliases`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from nascli.core.fault import Fault
from nascli.runs import aliases
from nascli.runs.folder import CONFIG, ENVIRONMENT, REPORT


def config(folder: Path) -> dict[str, Any]:
    """The composed config as plain data, of which nothing is to be built yet.

    Raises:
        Fault: it is unreadable.
    """
    from omegaconf import OmegaConf

    file = folder / CONFIG
    try:
        plain = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    except Exception as error:  # YAML, OmegaConf and the file system each raise their own kinds
        raise Fault(f"'{file}' is not a readable config: {str(error).splitlines()[0]}") from error
    if not isinstance(plain, dict):
        raise Fault(f"'{file}' is not a config of nascli")
    found = aliases.config(cast(dict[str, Any], plain))[0]
    data = found.get("data")
    if isinstance(data, dict) and str(data.get("_target_")).startswith("nascli.data."):
        data.setdefault("split_rule", 1)  # before there were rules, splits were drawn by this one
    return found


def environment(folder: Path) -> dict[str, Any]:
    """How the run was started and where, as `environment.record` wrote it; {} if nothing is there.

    `choices` and `overrides` are always there otherwise.

    Raises:
        Fault: it is damaged.
    """
    file = folder / ENVIRONMENT
    if not file.is_file():
        return {}
    found = _object(file)
    choices, overrides = found.get("choices"), found.get("overrides")
    if not isinstance(choices, Mapping) or not isinstance(overrides, list):
        raise Fault(f"'{file}' is damaged: it has no choices (an object) or overrides (a list)")
    found["choices"] = aliases.choices(choices)
    found["overrides"] = [aliases.option(str(override)) for override in overrides]
    return found


def report(folder: Path) -> dict[str, Any] | None:
    """What came of the run; None of one that has not ended.

    Raises:
        Fault: it is damaged.
    """
    file = folder / REPORT
    return _object(file) if file.is_file() else None


def _object(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Fault(f"'{file}' is damaged: {error}") from error
    if not isinstance(data, dict):
        raise Fault(f"'{file}' is damaged: it holds {data!r:.80}, not an object")
    return data
