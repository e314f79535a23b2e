"""Every fault of a command line at once, each with what is allowed and the nearest fix."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascli.config import hints, kinds
from nascli.config.compose import composed
from nascli.config.files import FREE, catalogue, root
from nascli.config.light import light
from nascli.config.shapes import Keys
from nascli.core.fault import Fault, unknown
from nascli.runs import aliases

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

Groups = Mapping[str, Mapping[str, str]]
_INTERNAL = ("hydra",)


def faults(
    verb: str, overrides: Sequence[str], directories: Sequence[Path], *, multirun: bool
) -> tuple[list[str], list[str]]:
    """What is wrong with the overrides of `nas verb`, a line each; and those that are right."""
    found: list[str] = []
    good: list[str] = []
    parsed = [o for text in overrides if (o := _parse(text, found)) is not None]
    groups = catalogue(directories)
    choices: list[list[str]] = []
    values: list[Override] = []
    for override in parsed:
        if override.is_sweep_override() and not multirun:
            text = override.input_line
            found.append(f"'{text}' is several values: add -m to run them one after another")
        elif override.key_or_group in groups and "." not in override.key_or_group:
            if not override.is_delete() and override.value() is None:
                names = sorted(groups[override.key_or_group])
                found.append(f"{override.key_or_group} is null; take one of {', '.join(names)}")
                continue
            names = _names(override)
            bad = [name for name in names if name not in groups[override.key_or_group]]
            allowed = groups[override.key_or_group]
            found.extend(
                _moved(override, name) or unknown(override.key_or_group, name, allowed)
                for name in bad
            )
            if not bad:
                choices.append(_each(override))
                good.append(choices[-1][0])
        elif not override.key_or_group.startswith(_INTERNAL):
            values.append(override)
    for combination in itertools.product(*choices):
        config = _compose(verb, combination, directories, found)
        if config is not None:
            for override in values:
                wrong = list(_value_faults(override, config, groups, directories))
                found.extend(wrong)
                if not wrong and not override.is_sweep_override():
                    good.append(str(override.input_line))
    return list(dict.fromkeys(found)), list(dict.fromkeys(good))


def _parse(text: str, found: list[str]) -> Override | None:
    """The parsed override; a fault instead if it cannot be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ValueError, RecursionError):  # 5,000 digits, or brackets
        hint = "quote a value that has spaces or special characters: \"key='value'\""
        found.append(f"cannot read '{text}': write key=value; {hint}")
        return None


def _moved(override: Override, name: str) -> str | None:
    """How an option that has moved is written today; None if it never was one."""
    old = f"{override.get_key_element()}={name}"
    new = aliases.option(old)
    return None if new == old else f"{old} is now {new}: write that instead"


def _names(override: Override) -> list[str]:
    """The options that a group override chooses, over all of its sweep."""
    if override.is_delete():
        return []
    values = override.sweep_iterator() if override.is_sweep_override() else [override.value()]
    flat = itertools.chain.from_iterable(v if isinstance(v, list) else [v] for v in values)
    return [str(name) for name in flat]


def _each(override: Override) -> list[str]:
    """The override without a sweep: one for each of its elements."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    return [f"{override.get_key_element()}={v}" for v in override.sweep_iterator()]


def _compose(
    verb: str, overrides: Sequence[str], directories: Sequence[Path], found: list[str]
) -> Any:
    """The config with only its groups chosen; None, and a fault, if that is not possible."""
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        config = composed(verb, overrides, directories)
    except (HydraException, OmegaConfBaseException) as error:
        said = " ".join(str(error).split())
        found.append(_in_our_words(said, overrides) or said)
        return None
    except Fault as fault:
        found.extend(str(fault).splitlines())
        return None
    return OmegaConf.to_container(config, resolve=False)


def _in_our_words(said: str, overrides: Sequence[str]) -> str | None:
    """What Hydra says of parts that do not go together, as the user wrote them; None of others."""
    inside = re.match(r"In '(\w+)/(\w+)': Could not override '(\w+)@([\w.]+)'", said)
    if inside and f"{inside[4]}.".startswith("strategy.of."):
        return (
            f"strategy@strategy.of={inside[2]} brings an estimator or more of its own; take one "
            "that only proposes, such as random, evolution, reinforce or tpe"
        )
    if inside:
        owner, part, place = f"{inside[1]}={inside[2]}", inside[3], inside[4]
        above = place.partition(".")[0]
        other = next((o for o in overrides if o.startswith(f"{above}=")), above)
        return (
            f"{owner} brings a {part} for the {above}, and {other} has none: leave {other} out "
            f"({owner} brings its own {above}), or take another {inside[1]}"
        )
    alone = re.match(
        r"Could not override '(\w+)'\.(?: Did you mean to override \w+@([\w.]+)\?)?", said
    )
    given = [o for o in overrides if alone and o.startswith(f"{alone[1]}=")]
    if alone is None or not given:
        return None
    group, place, value = alone[1], alone[2], given[0].partition("=")[2]
    if not place:
        have = [
            f"{file.parent.name}={file.stem}"
            for file in sorted(root().glob("*/*.yaml"))
            if f" /{group}@" in file.read_text("utf-8")
        ]
        have = [*hints.verbs(group), *have]
        return f"{given[0]}: nothing that is chosen takes a {group}; what does: {', '.join(have)}"
    names, _, last = place.rpartition(".")
    fix = f"{group}@{place}={value}" if last == group else f"+{group}@{names}.{value}={value}"
    return f"{given[0]}: a {group} is a part of the {place.partition('.')[0]} here; write {fix}"


def _value_faults(
    override: Override, config: Mapping[str, Any], groups: Groups, directories: Sequence[Path]
) -> Iterator[str]:
    """Whether a value's key exists and its type fits."""
    key = override.key_or_group
    parts = key.split(".")
    if override.is_add() or (parts[0] in FREE and parts[0] in config):
        return
    node: Any = config
    for depth, part in enumerate(parts):
        if not isinstance(node, Mapping) or part not in node:
            yield hints.unknown_key(parts[: depth + 1], node, config, directories)
            return
        node = node[part]
    for value in _values(override):
        if isinstance(node, Mapping) and "_target_" in node and isinstance(value, str):
            of = [group for group, options in groups.items() if value in options]
            group = parts[-1] if parts[-1] in groups or not of else of[0]
            yield f"{key} is a component: choose it with {group}@{key}={value}"
        elif expected := _mismatch(config, parts, node, value):
            none = isinstance(node, Mapping) or node == "???"
            known = "" if none else f" (default: {kinds.written(node)})"
            yield f"{key} is {kinds.written(value)}; it must be {expected}{known}"


def _values(override: Override) -> list[Any]:
    if override.is_delete():
        return []
    if not override.is_sweep_override():
        return [override.value()]
    texts = [f"{override.get_key_element()}={v}" for v in override.sweep_iterator()]
    return [o.value() for text in texts if (o := _parse(text, [])) is not None]


def _mismatch(
    config: Mapping[str, Any], parts: Sequence[str], default: object, value: object
) -> str | None:
    """What `value` should have been to stand where `default` stands; None if it fits.

    A component is imported for it only where the default's own type leaves a doubt.
    """
    same = type(default) is type(value) or (isinstance(default, float) and type(value) is int)
    top = config[parts[0]]
    if same and isinstance(top, Mapping) and "_target_" in top:
        return None
    needs_torch = True
    with light():
        annotation = kinds.at(config, parts, Keys)
        needs_torch = False
    if needs_torch:  # of what is shipped no parameter takes another kind than its default says
        if _shipped(config, parts) and (expected := kinds.like(default, value)):
            return expected
        annotation = kinds.at(config, parts, Keys)
    return kinds.like(default, value) if annotation is Any else kinds.wanted(annotation, value)


def _shipped(config: Mapping[str, Any], parts: Sequence[str]) -> bool:
    """Whether a key is of a component that comes with nascli."""
    node: Any = config
    for part in parts[:-1]:
        node = node[part]
    return str(node.get("_target_")).startswith("nascli.")
