"""Whether a component has what its protocol asks for: said when it is built, not when it is used.

A protocol is a class that lists methods, properties and annotated attributes.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from functools import partial
from typing import Protocol, TypeVar

from nascli.core.fault import Fault
from nascli.core.traits import name_of

T = TypeVar("T")


def check(part: T, protocol: type, what: str, spared: Collection[str] = ()) -> T:
    """`part`, which has all that `protocol` asks for, but for what is `spared`.

    Of a class, or of a config's partial of one, only the methods can be told before it is built;
    of any other function nothing.

    Raises:
        Fault: it lacks something; it begins with `what` the part is.
    """
    made = part.func if isinstance(part, partial) else part
    if inspect.isroutine(made):
        return part
    asked = {name: member for name, member in _members(protocol).items() if name not in spared}
    methods = {name for name, member in asked.items() if callable(member)}
    names = methods if isinstance(made, type) else asked
    lacking = [
        f"{name}{_parameters(asked[name])}"
        for name in asked
        if name in names and not _there(made, name, method=name in methods)
    ]
    if lacking:
        raise Fault(
            f"{what}: {name_of(made)} has no {', no '.join(lacking)}; what it needs is listed in "
            f"{protocol.__module__}.{protocol.__name__}"
        )
    return part


def _members(protocol: type) -> dict[str, object]:
    """Name -> what a protocol, and those that it extends, have there; None for an attribute."""
    found: dict[str, object] = {}
    for one in reversed(protocol.__mro__):
        if one not in (object, Protocol) and getattr(one, "_is_protocol", False):
            found.update(dict.fromkeys(inspect.get_annotations(one)))
            found.update(vars(one))
    return {n: m for n, m in found.items() if n[0] != "_" or (n == "__call__" and callable(m))}


def _there(made: object, name: str, *, method: bool) -> bool:
    if name == "__call__":
        return callable(made)
    return callable(getattr(made, name, None)) if method else hasattr(made, name)


def _parameters(member: object) -> str:
    """The parameters of a method, without their types; empty for anything else."""
    if not callable(member):
        return ""
    names = [name for name in inspect.signature(member).parameters if name != "self"]
    return f"({', '.join(names)})"
