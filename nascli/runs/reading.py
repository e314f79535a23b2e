"""The one reader of what a run folder holds beside its history; it changes nothing there.

Folders of earlier versions are read too: names come out as they are today (`runs.aliases`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascli.core import plain
from nascli.core.fault import Fault
from nascli.runs import aliases
from nascli.runs.folder import CONFIG, ENVIRONMENT, REPORT

_MOST_BYTES = 10**9
_SERIAL = {"_target_": "nascli.workers.serial.Serial", "_partial_": True}


def config(folder: Path) -> dict[str, Any]:
    """The composed config as plain data, of which nothing is to be built yet.

    Raises:
        Fault: it is unreadable.
    """
    from nascli.runs import yaml_file

    file = folder / CONFIG
    found = yaml_file.read(file)
    if not isinstance(found, dict):
        raise Fault(f"'{file}' is not a config of nascli")
    found = aliases.config(yaml_file.resolved(found, file))[0]
    if "reference" in found:  # an audit; older ones knew no workers
        found.setdefault("workers", dict(_SERIAL))
    data = found.get("data")
    if isinstance(data, dict) and str(data.get("_target_")).startswith("nascli.data."):
        data.setdefault("split_rule", 1)  # before there were rules, splits were drawn by this one
    return found


def environment(folder: Path) -> dict[str, Any]:
    """How the run was started and where, as `environment.record` wrote it; {} if nothing is there.

    `choices` (text or null by name) and `overrides` (texts) are always there otherwise.

    Raises:
        Fault: it is damaged.
    """
    from nascli.runs import yaml_file

    file = folder / ENVIRONMENT
    try:
        found = plain.json_object(file, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    choices, overrides = found.get("choices"), found.get("overrides")
    if not isinstance(choices, dict) or not isinstance(overrides, list):
        raise Fault(f"'{file}' is damaged: it has no choices (an object) or overrides (a list)")
    for value in (*filter(None, choices.values()), *overrides):
        if not isinstance(value, str):
            raise Fault(f"'{file}' is damaged: of choices and overrides, {value!r:.80} is no text")
        if not yaml_file.own(value):
            raise Fault(
                f"'{file}' has {value!r:.80}, which refers to more than keys of a config; nothing "
                "else is looked up for a file that may come from anyone"
            )
    found["choices"] = aliases.choices(choices)
    found["overrides"] = [aliases.option(override) for override in overrides]
    return found


def report(folder: Path) -> dict[str, Any] | None:
    """What came of the run; None of one that has not ended.

    `verb` is always there. `seconds`, `result`, `costs`, `final`, `effort`, `trials`, `incumbents`
    and `front` are of the kinds that `nascli.report.summary` tells where they are; texts stand
    beside the numbers of `final` where an own estimator gave them.

    Raises:
        Fault: it is damaged.
    """
    file = folder / REPORT
    try:
        found = {"verb": "profile", **plain.json_object(file, _MOST_BYTES)}  # 0.1.0 left that out
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        _check_report(found)
    except KeyError as error:
        raise Fault(f"'{file}' is damaged: a row has no {error}") from error
    except Fault as fault:
        raise Fault(f"'{file}' is damaged: {fault}") from fault
    return found


def _check_report(found: Mapping[str, Any]) -> None:
    """Raises a Fault for what is of another kind."""
    if not isinstance(found.get("verb"), str):
        raise Fault(f"verb is {found.get('verb')!r:.80}; it must be text")
    if "seconds" in found:
        plain.amount(found, "seconds")
    for key in ("result", "costs", "effort", "trials"):
        if key in found:
            plain.numbers(found, key)
    final = found.get("final", {})
    if not isinstance(final, dict):
        raise Fault(f"final is {final!r:.80}; it must be an object")
    told = {name: value for name, value in final.items() if not isinstance(value, str)}
    plain.numbers({"final": told}, "final")
    for key in ("incumbents", "front"):
        rows = found.get(key, [])
        if not isinstance(rows, list):
            raise Fault(f"{key} is {rows!r:.80}; it must be a list")
        for number, row in enumerate(rows):
            plain.whole(plain.numbers({f"{key}.{number}": row}, f"{key}.{number}"), "trial")
