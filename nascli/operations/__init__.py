"""Operations: the candidate layers, a family per file; importing this needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.imported import target

if TYPE_CHECKING:
    from torch import nn

    Factory = Callable[[int, int, int, bool], nn.Module]


def resolve(operations: Mapping[str, Any]) -> dict[str, Factory]:
    """Operation name -> `factory(in_channels, out_channels, stride, shared)`, in the same order.

    `shared` says that the module is part of a supernet, where batch norms have no scale and shift.
    A value is such a callable, or the config that Hydra makes one of: `_target_` (an import path)
    and further arguments.

    Raises:
        Fault: a `_target_` is missing, cannot be imported or cannot be called.
    """
    return {name: _resolve(name, value) for name, value in operations.items()}


def _resolve(name: str, value: Any) -> Factory:
    if not name:
        raise Fault("an operation has an empty name; it must be a word")
    if not isinstance(value, Mapping):
        if callable(value):
            factory: Factory = value
            return factory
        raise Fault(f"operation '{name}' must be a config with a '_target_', not {value!r:.80}")
    if not isinstance(value.get("_target_"), str):
        keys = ", ".join(map(str, value)) or "nothing"
        raise Fault(f"operation '{name}' needs a '_target_' (an import path); it has {keys}")
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    target(value["_target_"], f"operation '{name}'")
    try:
        made: Factory = instantiate(dict(value), _partial_=True)
    except InstantiationException as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise Fault(f"operation '{name}' cannot be made: {reason}") from error
    return made
