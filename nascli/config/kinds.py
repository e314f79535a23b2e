"""What values a key takes: as the parameter that it is for is annotated, not as YAML spells it."""

from __future__ import annotations

import collections.abc
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from nascli.core.fault import Fault
from nascli.core.imported import target

_PLAIN: Mapping[Any, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
}
_LISTS = (list, tuple, collections.abc.Sequence)
_LIST, _MAPPING = "a list [a,b]", "a mapping {key: value}"


def of(node: Mapping[str, Any], key: str) -> Any:
    """How the parameter `key` of what `node` builds is annotated; Any where nothing can be told."""
    try:
        made = target(str(node["_target_"]), key)
        parameter = inspect.signature(made).parameters.get(key)
    except (Fault, ValueError, TypeError):  # building it says more
        return Any
    if parameter is None or parameter.annotation is inspect.Parameter.empty:
        return Any
    return _evaluated(parameter.annotation, made)


def names(node: Mapping[str, Any]) -> list[str] | None:
    """The parameters of what `node` builds; None where it takes any, or nothing can be told."""
    try:
        found = inspect.signature(target(str(node["_target_"]), "")).parameters
    except (Fault, ValueError, TypeError):  # building it says more
        return None
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in found.values()):
        return None
    return list(found)


def wrong(node: Mapping[str, Any], where: str) -> Iterator[str]:
    """What is wrong with the settings of the component that `node` builds, by their annotations."""
    for key, value in node.items():
        if not key.startswith("_") and (expected := wanted(of(node, key), value)):
            yield f"{where}.{key} is {written(value)}; it must be {expected}"


def field(annotation: Any, key: str) -> Any:
    """How `key` is annotated in something annotated so: a class that lists fields, or a mapping."""
    inside = typing.get_args(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        found = [each for one in inside if (each := field(one, key)) is not Any]
        return found[0] if found else Any
    if typing.get_origin(annotation) in (dict, collections.abc.Mapping):
        return inside[1]
    if isinstance(annotation, type) and key in getattr(annotation, "__annotations__", {}):
        return _evaluated(annotation.__annotations__[key], annotation)
    return Any


def at(config: Mapping[str, Any], parts: Sequence[str], root: Any) -> Any:
    """How the key at a path of a config is annotated, of which `root` lists the first keys."""
    node: Any = config
    annotation = root
    for part in parts:
        built = "_target_" in node and part[0] != "_"
        annotation, node = of(node, part) if built else field(annotation, part), node[part]
    return annotation


def wanted(annotation: Any, value: object) -> str | None:
    """What `value` ought to be, in words; None if it is."""
    if isinstance(value, str) and "${" in value:  # it refers to another one
        return None
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        words = [wanted(one, value) for one in inside]
        return None if None in words else " or ".join(dict.fromkeys(filter(None, words)))
    if origin is Literal:
        several = f"one of {', '.join(map(str, inside))}" if inside[2:] else ""
        return None if value in inside else several or " or ".join(map(str, inside))
    if annotation is None or annotation in _PLAIN:
        return None if _fits(annotation, value) else _PLAIN[annotation or type(None)]
    kind = origin or annotation
    if kind in _LISTS:
        return _list(kind, inside, value)
    if kind in (dict, collections.abc.Mapping) or _fields(kind):
        return None if isinstance(value, Mapping) else _MAPPING
    return "a component" if kind is collections.abc.Callable and value is None else None


def like(default: object, value: object) -> str | None:
    """The same where all that is known is a default, which may be spelt 0 and mean any number."""
    if default is None or value is None:
        return None
    if isinstance(default, (bool, list, dict)):
        return wanted(type(default), value)
    if isinstance(default, (int, float)):
        return wanted(float, value)
    return _PLAIN[str] if isinstance(value, (list, dict)) else None


def written(value: object) -> str:
    """A value as it is written in a config."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"{value!r:.80}"


def _fits(kind: Any, value: object) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if kind is None else isinstance(value, kind)


def _list(kind: Any, inside: Sequence[Any], value: object) -> str | None:
    if not isinstance(value, (list, tuple)):
        return _LIST
    if kind is tuple and inside and inside[-1] is not ...:
        if len(value) != len(inside):
            return f"a list of {len(inside)}"
        each = list(inside)
    else:
        each = [inside[0] if inside else Any] * len(value)
    bad = [words for one, entry in zip(each, value, strict=True) if (words := wanted(one, entry))]
    return f"a list of which each is {bad[0]}" if bad else None


def _fields(kind: Any) -> bool:
    """Whether a class stands for a mapping with its fields as keys."""
    return isinstance(kind, type) and hasattr(kind, "__dataclass_fields__")


def _evaluated(annotation: Any, owner: Any) -> Any:
    """An annotation as a type; Any for what its module imports for type checkers alone."""
    if not isinstance(annotation, str):
        return annotation
    made = getattr(owner, "__init__", owner)
    names = {**vars(typing), **vars(collections.abc), **vars(sys.modules[owner.__module__])}
    try:
        return eval(annotation, {**names, **getattr(made, "__globals__", {})})
    except Exception:
        return Any
