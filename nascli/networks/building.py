"""Modules of layers: built, and tagged so that latency tables know them; no torch until then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.operation import wrong
from nascli.core.plan import Layer, Plan

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory

    Builder = Callable[[], nn.Module]


def build(factories: Mapping[str, Factory], layer: Layer, *, shared: bool = False) -> nn.Module:
    """The module of a layer, tagged: a fixed one by its name, or else by the operation's factory.

    `shared` says that it is part of a supernet's cell, where batch norms have no scale and shift.

    Raises:
        Fault: the factory does not take the arguments that `resolve` speaks of.
    """
    if layer.operation in FIXED:
        return tag(FIXED[layer.operation](layer, shared), layer)
    make, settings = factories[layer.operation], dict(layer.settings)
    try:
        module = make(layer.in_channels, layer.out_channels, layer.stride, shared, **settings)
    except Fault:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, TypeError) else f"{type(error).__name__}: {error}"
        raise Fault(
            f"operation '{layer.operation}' cannot be built as "
            f"factory(in_channels, out_channels, stride, shared): {reason}"
        ) from error
    if not callable(module) or not hasattr(module, "_modules"):
        raise Fault(f"operation '{layer.operation}' gives {module!r:.80}; it must give a module")
    return tag(module, layer)


def tag(module: nn.Module, layer: Layer) -> nn.Module:
    """`module`, marked as a layer that a latency table knows (see `SearchSpace.network`)."""
    vars(module).update(
        operation=layer.operation,
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
        stride=layer.stride,
    )
    if layer.settings:
        vars(module).update(layer_settings=layer.settings)
    return module


def builders(factories: Mapping[str, Factory], plan: Plan) -> dict[Layer, Builder]:
    """Every layer that some network of an open plan contains -> what builds it, in eval mode."""
    return {layer: partial(_ready, factories, layer) for layer in plan.candidates()}


def _ready(factories: Mapping[str, Factory], layer: Layer) -> nn.Module:
    return build(factories, layer).eval()


def check_operations(operations: Mapping[str, Any]) -> None:
    """Whether operations of a space keep off the names of fixed layers, and have known settings.

    Raises:
        Fault: one does not; all that is wrong, at once.
    """
    if found := wrong_operations(operations):
        raise Fault("\n".join(found))


def wrong_operations(operations: Mapping[str, Any]) -> list[str]:
    """What `check_operations` has to say, a line each."""
    taken = ", ".join(FIXED)
    found = [
        f"operation '{name}' has the name of a fixed layer; give it another one (taken: {taken})"
        for name in operations
        if name in FIXED
    ]
    return found + wrong(operations)


def _stem(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import Stem

    return Stem((layer.in_channels, layer.out_channels), (layer.stride,))


def _stem0(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import Stem

    return Stem((layer.in_channels, layer.out_channels // 2, layer.out_channels), (2, 2))


def _stem1(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import Stem

    return Stem((layer.in_channels, layer.out_channels), (layer.stride,), relu_first=True)


def _preprocess(layer: Layer, shared: bool) -> nn.Module:
    from nascli.operations.convolution import ReluConvNorm
    from nascli.operations.skip import FactorizedReduction

    if layer.stride == 2:
        return FactorizedReduction(layer.in_channels, layer.out_channels, shared)
    return ReluConvNorm(layer.in_channels, layer.out_channels, layer.stride, shared)


def _residual_reduction(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import ResidualReduction

    return ResidualReduction(layer.in_channels, layer.out_channels)


def _norm_relu(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import NormRelu

    return NormRelu(layer.in_channels)


def _resize(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import Resize

    return Resize(layer.shape[1:])


def _classifier(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import Classifier

    return Classifier(layer.in_channels, layer.out_channels)


def _auxiliary_head(layer: Layer, _shared: bool) -> nn.Module:
    from nascli.networks.fixed import AuxiliaryHead

    size, imagenet = (layer.height, layer.width), bool(dict(layer.settings).get("imagenet"))
    return AuxiliaryHead(layer.in_channels, layer.out_channels, size, imagenet=imagenet)


FIXED: Mapping[str, Callable[[Layer, bool], nn.Module]] = {
    "stem": _stem,
    "stem0": _stem0,
    "stem1": _stem1,
    "preprocess": _preprocess,
    "residual_reduction": _residual_reduction,
    "norm_relu": _norm_relu,
    "resize": _resize,
    "classifier": _classifier,
    "auxiliary_head": _auxiliary_head,
}
"""Name of a fixed layer -> what builds it, from the layer and from whether it is shared."""
