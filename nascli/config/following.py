"""What follows from a run, or a genotype, that a command line names: its space, its data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nascli.config.files import GIVEN, root
from nascli.config.overrides import named
from nascli.core.fault import Fault
from nascli.core.regular import is_there

_CARRIED = re.compile(r"^(space|data|training|(data|space)\.\w+|operation@space\.operations)=")


def carried(verb: str, overrides: Sequence[str]) -> list[str]:
    """What follows from `genotype=X`: its space and, from a run folder, data and space settings.

    Of `resume=RUN` it is the run's own component wherever one of its keys is given; of a search's
    `supernet=RUN` the estimator that scores with it, and the strategy that specialises it.

    Raises:
        Fault: there is no such genotype.
    """
    given = {o.partition("=")[0].lstrip("+~"): o.partition("=")[2] for o in overrides}
    if verb == "search" and given.get("supernet", "null") != "null":
        scored = {"strategy": "specialise", "estimator": "one_shot"}
        return [f"{group}={option}" for group, option in scored.items() if group not in given]
    resumed = _unquoted(given.get("resume", ""))
    if resumed and is_there(resumed):
        from nascli.runs import reading

        choices = reading.environment(Path(resumed)).get("choices", {})
        mentioned = {key.partition(".")[0] for key in given if "." in key}
        taken = (root() / f"{verb}.yaml").read_text("utf-8")  # the run may be one of another verb
        return [
            f"{group}={option}"
            for group, option in choices.items()
            if option and group not in given and group.rpartition("@")[2] in mentioned
            if f"\n  - {group}: " in taken
        ]
    reference = _unquoted(given.get("genotype", ""))
    if verb in ("search", "export", "predict") or not reference or reference == "null":
        return []
    from nascli.genotypes import load

    parts = reference.split(",")
    one = "|" in reference or is_there(reference) or not any(map(named, parts))
    several = [reference] if one else parts
    spaces = {load(one).space for one in several}
    if len(spaces) > 1 and "space" not in given:
        raise Fault(
            f"these genotypes are of several spaces ({', '.join(sorted(spaces))}); "
            "run those of each space by themselves"
        )
    space = spaces.pop()
    recorded = _recorded(Path(reference), verb, space) if not several[1:] else []
    chosen = () if any(o.startswith("space=") for o in recorded) else (f"space={space}",)
    kept = [*chosen, *recorded]
    # Settings of a component make sense with that component only.
    replaced = tuple(f"{group}." for group in ("data", "space") if group in given)
    keys = [o.partition("=")[0] for o in kept]
    return [
        override
        for key, override in zip(keys, kept, strict=True)
        if _CARRIED.match(override) and key not in given and not key.startswith(replaced)
    ]


def _unquoted(value: str) -> str:
    return value.strip("'\"").replace("\\'", "'")


def _recorded(folder: Path, verb: str, space: str) -> list[str]:
    """What a run folder was made with, whose network is of that space; nothing for anything else.

    A new training has a recipe of its own; whoever only looks wants the networks of the run.

    Raises:
        Fault: its environment.json is damaged.
    """
    if folder.parent.name == "front":  # a genotype of a run's front
        folder = folder.parent.parent
    from nascli.config import own_data
    from nascli.runs import reading

    recorded = reading.environment(folder) if is_there(str(folder)) else {}
    if not recorded:
        return []
    groups = ("space", "data") if verb == "retrain" else ("space", "data", "training")
    chosen = [f"{g}={recorded['choices'][g]}" for g in groups if g in recorded["choices"]]
    said = [str(o) for o in recorded["overrides"] if not str(o).startswith("space=")]
    if (folder / "config.yaml").is_file():
        plain = reading.config(folder)
        if verb != "retrain" and "strategy" not in plain:
            said = [o for o in said if not _of_the_search(o, plain, space)]
        data = plain.get("data")
        rule = data.get("split_rule") if isinstance(data, dict) else None
        said += ["data.split_rule=1"] if rule == 1 else []
        own = own_data.carried(plain) if verb != "retrain" else []  # that keeps what it always had
        if own and not any(o.startswith("data=") for o in said):  # as new runs have on record
            chosen = [o for o in chosen if not o.startswith("data=")]
            said = [o for o in said if not o.startswith("data.")] + own
    return list(dict.fromkeys([*chosen, *(o for o in said if "_target_" not in o)]))


def _of_the_search(override: str, plain: Mapping[str, Any], space: str) -> bool:
    """Whether a retraining had this from its search: a size that its recipe then had overruled."""
    size = re.fullmatch(r"space\.(\w+)=.*", override)
    own, given = (_inside(plain, "training", "network", key) for key in (space, GIVEN))
    return size is not None and size[1] in own and size[1] not in given


def _inside(node: object, *keys: str) -> Mapping[str, Any]:
    """The mapping at these keys; an empty one where there is none, for a file may hold anything."""
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}
