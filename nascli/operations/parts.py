"""Modules at their places in a network: built, and tagged so that latency tables know them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from nascli.core.fault import Fault
from nascli.core.plan import Layer

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory

    Builder = Callable[[], nn.Module]
    Part = tuple[Layer, Builder]
    """A fixed part of a network, and what builds it."""


def build(factories: Mapping[str, Factory], layer: Layer, *, shared: bool = False) -> nn.Module:
    """The module of an operation at one place of a network, tagged.

    Raises:
        Fault: the factory does not take the arguments that `resolve` speaks of.
    """
    make = factories[layer.operation]
    try:
        module = make(layer.in_channels, layer.out_channels, layer.stride, shared)
    except TypeError as error:
        raise Fault(
            f"operation '{layer.operation}' cannot be built as "
            f"factory(in_channels, out_channels, stride, shared): {error}"
        ) from error
    return tag(module, layer)


def tag(module: nn.Module, layer: Layer) -> nn.Module:
    """`module`, marked as a layer that a latency table knows (see `SearchSpace.network`)."""
    vars(module).update(
        operation=layer.operation,
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
        stride=layer.stride,
    )
    return module


def built(part: Part) -> nn.Module:
    """The module of a fixed part, tagged."""
    layer, builder = part
    return tag(builder(), layer)


def builders(
    factories: Mapping[str, Factory], fixed: Iterable[Part], candidates: Iterable[Layer]
) -> dict[Layer, Builder]:
    """Layer -> what builds its module in eval mode, for fixed parts and for operations."""
    found: dict[Layer, Builder] = {part[0]: partial(_ready, partial(built, part)) for part in fixed}
    for layer in candidates:
        found[layer] = partial(_ready, partial(build, factories, layer))
    return found


def _ready(builder: Builder) -> nn.Module:
    return builder().eval()
