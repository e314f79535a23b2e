"""Old names -> new ones: what configs and checkpoints of earlier versions still call things.

A change that moves or renames a component, a config group, a config key or a part of a checkpoint
adds a line here; a test holds every name that an earlier version's configs gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STATE_FORMAT = 3  # of state.pt; a file without a number is of format 1
SEALED = 3  # the first format with a seal

# Dotted path -> dotted path: of a package, a module or a class, with all that is in it.
TARGETS: dict[str, str] = {
    "nascli.discretisations": "nascli.gradient.discretisations",
    "nascli.penalties": "nascli.gradient.penalties",
    "nascli.perturbations": "nascli.gradient.perturbations",
    "nascli.relaxations.uniform": "nascli.samplers.uniform",
    "nascli.stoppers": "nascli.gradient.stoppers",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A node of a composed config that now stands elsewhere.

    `target` limits it to nodes that build this (by its new name); None: whatever stands there.
    """

    old: str
    new: str
    target: str | None = None


KEYS: tuple[Key, ...] = (
    Key("strategy.relaxation", "strategy.sampler", "nascli.samplers.uniform.Uniform"),
)

# (group with its place, option) -> the same today, as on the command line: GROUP@PLACE=OPTION.
OPTIONS: dict[tuple[str, str], tuple[str, str]] = {
    ("relaxation@strategy.relaxation", "uniform"): ("sampler@strategy.sampler", "uniform"),
}

# Dotted path in a state.pt of format 1 -> where it is looked for today. It stays where it was too:
# a checkpoint does not say which parts the search has, and each takes only what is its own.
STATES: dict[str, str] = {
    "strategy.bilevel.relaxation": "strategy.bilevel.sampler",  # the draws of random_ws
}


def target(name: str) -> str:
    """What a `_target_` is called today."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        new = TARGETS.get(".".join(parts[:end]))
        if new is not None:
            return ".".join([new, *parts[end:]])
    return name


def config(plain: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A composed config under today's names, and a line on each that was an old one."""
    lines: list[str] = []
    renamed: dict[str, Any] = _targets(plain, lines)
    for key in KEYS:
        node = _at(renamed, key.old)
        fits = key.target is None or (isinstance(node, dict) and node.get("_target_") == key.target)
        if node is not None and fits:
            _put(renamed, key.new, _take(renamed, key.old))
            lines.append(f"{key.old} is now {key.new}")
    return renamed, list(dict.fromkeys(lines))


def option(override: str) -> str:
    """An override of a command line, or `group=option`, as it would be written today."""
    key, equals, value = override.partition("=")
    sign = key[: len(key) - len(key.lstrip("+~"))]
    new = OPTIONS.get((key.removeprefix(sign), value)) if equals else None
    return f"{sign}{new[0]}={new[1]}" if new else override


def choices(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Group -> option of environment.json, as they are called today."""
    return dict(OPTIONS.get((key, str(name)), (key, name)) for key, name in recorded.items())


def state(data: Mapping[str, Any], written: int) -> dict[str, Any]:
    """A state.pt of format `written` in the layout of today's."""
    moved = dict(data)
    for old, new in STATES.items() if written < 2 else ():
        if (found := _at(moved, old)) is not None:
            _put(moved, new, found)
    return moved


def _targets(node: Any, lines: list[str]) -> Any:
    """A copy with every `_target_` under its new name."""
    if isinstance(node, list):
        return [_targets(value, lines) for value in node]
    if not isinstance(node, Mapping):
        return node
    copy = {key: _targets(value, lines) for key, value in node.items()}
    old = copy.get("_target_")
    if isinstance(old, str) and target(old) != old:
        copy["_target_"] = target(old)
        lines.append(f"_target_ {old} is now {target(old)}")
    return copy


def _at(node: Any, path: str) -> Any:
    """What stands at a dotted path; None if nothing does."""
    for part in path.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _take(node: dict[str, Any], path: str) -> Any:
    """Removes what stands at a dotted path and returns it; every mapping on the way is copied."""
    first, _, rest = path.partition(".")
    if not rest:
        return node.pop(first)
    node[first] = dict(node[first])
    return _take(node[first], rest)


def _put(node: dict[str, Any], path: str, value: Any) -> None:
    """Puts `value` at a dotted path; every mapping on the way is copied."""
    first, _, rest = path.partition(".")
    if rest:
        node[first] = dict(node.get(first) or {})
        _put(node[first], rest, value)
    else:
        node[first] = value
