"""A network out of a supernet, with the weights that its path has there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import nn

from nascli.core.plan import Layer, Plan
from nascli.supernet.graph import MixedGraph

Module = tuple[Layer, nn.Module]


def inherit(
    network: nn.Module,
    plan: Plan,
    supernet: nn.Module,
    opened: Plan,
    taken: Mapping[str, str],
    graphs: Mapping[str, str],
) -> None:
    """Copies the weights of a path, and its batch norms' statistics, into its network.

    Both plans list layers in the order of computing, so what the path takes of the open one are the
    layers of the network in turn. Scale and shift of a batch norm that the supernet has without
    become 1 and 0. What the supernet does not have, such as an auxiliary head, stays as it is.

    Args:
        network: what is changed.
        plan: the network's.
        supernet: where the weights are.
        opened: its plan.
        taken: name of a choice -> the option that the path takes.
        graphs: name of a place -> path of the mixed graph that it is in.
    """
    shared = list(_shared(supernet, opened, taken, graphs))
    own = [(p.layer, p.name) for p in plan.places if p.layer and p.name != plan.auxiliary]
    if [layer for layer, _ in own] != [layer for layer, _ in shared]:
        raise AssertionError("the path takes other layers than the network has")
    for (_, name), (_, module) in zip(own, shared, strict=True):
        _copy(network.get_submodule(name), module)


def _shared(
    supernet: nn.Module, opened: Plan, taken: Mapping[str, str], graphs: Mapping[str, str]
) -> Iterator[Module]:
    """The layers of a path and their modules, in the order of computing."""
    for place in (place for place in opened.places if place.there(taken)):
        if place.layer is not None and place.name != opened.auxiliary:
            yield place.layer, supernet.get_submodule(place.name)
        elif place.kind == "choice" and place.choice is not None and place.choice.name in taken:
            option = taken[place.choice.name]
            layer = place.options[place.choice.options.index(option)]
            if layer is not None:
                graph = cast(MixedGraph, supernet.get_submodule(graphs[place.name]))
                yield layer, graph.option(place.choice, option)


@torch.no_grad()
def _copy(module: nn.Module, shared: nn.Module) -> None:
    """Weights and statistics of `shared`; scale and shift that it lacks become 1 and 0."""
    found = shared.state_dict()
    for name, value in module.state_dict().items():
        if name in found:
            value.copy_(found[name])
        elif name.endswith(("weight", "bias")):
            value.fill_(float(name.endswith("weight")))
