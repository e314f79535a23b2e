"""What follows from a run, or a genotype, that a command line names: its space, its data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nascli.config.files import GIVEN, root
from nascli.config.overrides import key_of, named, written
from nascli.core.fault import Fault
from nascli.core.regular import is_there

_LOOK = ("show", "profile")  # verbs that say of a search's network what the search said of it
_IMAGES = ("data", "data.image_size", "data.size")  # what says how large images are
_CARRIED = re.compile(r"^(space|data|training|(data|space)\.\w+|operation@space\.operations)=")


def carried(verb: str, overrides: Sequence[str]) -> list[str]:
    """What follows from `genotype=X`: its space and, from a run folder, data and space settings.

    Of `resume=RUN` it is the run's own component wherever one of its keys is given; of a search's
    `supernet=RUN` the estimator that scores with it, and the strategy that specialises it.

    Raises:
        Fault: there is no such genotype.
    """
    given = _given(overrides)
    if verb == "search" and given.get("supernet", "null") != "null":
        scored = {"strategy": "specialise", "estimator": "one_shot"}
        return [f"{group}={option}" for group, option in scored.items() if group not in given]
    resumed = given.get("resume", "")
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
    reference = given.get("genotype", "")
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


def deployed(verb: str, overrides: Sequence[str]) -> list[str]:
    """What follows from `genotype=RUN` of a search with `deploy`: its network has that size.

    Sizes that the overrides state stand.

    Raises:
        Fault: the run's config is damaged.
    """
    given = _given(overrides)
    reference = given.get("genotype", "")
    if verb not in _LOOK or "deploy" in given or not reference or not is_there(reference):
        return []
    from nascli.runs import reading
    from nascli.runs.folder import CONFIG

    folder = _run_of(Path(reference).expanduser())
    its = reading.config(folder).get("deploy") if (folder / CONFIG).is_file() else None
    sizes = {k: v for k, v in its.items() if type(v) is int} if isinstance(its, Mapping) else {}
    if any(key in given for key in _IMAGES):
        sizes.pop("image", None)
    if "space" in given:
        sizes = {key: value for key, value in sizes.items() if key == "image"}
    sizes = {key: value for key, value in sizes.items() if f"space.{key}" not in given}
    return [f"deploy={written(sizes, 'deploy')}"] if sizes else []


def _given(overrides: Sequence[str]) -> dict[str, str]:
    """Key -> what is said of it, without the quotes around a path."""
    values = {key_of(override): override.partition("=")[2] for override in overrides}
    return {key: value.strip("'\"").replace("\\'", "'") for key, value in values.items()}


def _run_of(folder: Path) -> Path:
    """The run folder that a folder, or a genotype of a front, is of."""
    return folder.parent.parent if folder.parent.name == "front" else folder


def _recorded(folder: Path, verb: str, space: str) -> list[str]:
    """What a run folder was made with, whose network is of that space; nothing for anything else.

    A new training has a recipe of its own; whoever only looks wants the networks of the run.

    Raises:
        Fault: its environment.json is damaged.
    """
    from nascli.config import own_data
    from nascli.runs import reading
    from nascli.runs.folder import CONFIG

    folder = _run_of(folder)
    recorded = reading.environment(folder) if is_there(str(folder)) else {}
    if not recorded:
        return []
    groups = ("space", "data") if verb == "retrain" else ("space", "data", "training")
    chosen = [f"{g}={recorded['choices'][g]}" for g in groups if g in recorded["choices"]]
    said = [str(o) for o in recorded["overrides"] if not str(o).startswith("space=")]
    if (folder / CONFIG).is_file():
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
