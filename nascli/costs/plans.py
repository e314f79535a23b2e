"""Costs of whole networks, summed over their plans; no network is built, and no torch needed.

An operation of the user's own is built and counted once for every shape that it takes, with torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.operation import shipped
from nascli.core.plan import Layer, Plan
from nascli.core.space import Planned
from nascli.costs.cost import BYTES_PER_MB, Cost, Counts
from nascli.costs.formulas import cost_of
from nascli.costs.lifetimes import peak_bytes

if TYPE_CHECKING:
    from torch import nn


class PlanCounter:
    """Counts the networks of a space: what `count` says of a built one, hundreds of times sooner.

    docs/costs.md says what is counted. Every kind of layer is looked up once and remembered.

    Args:
        space: gives plans. Its `operations`, where it has any, tell what builds an operation.
    """

    def __init__(self, space: Planned) -> None:
        self.space = space
        operations = getattr(space, "operations", {})
        self._operations: Mapping[str, Any] = operations if isinstance(operations, Mapping) else {}
        self._uncounted: dict[Layer, tuple[str, ...]] = {}
        self._costs = _Remembered(self._look)

    def __call__(self, genotype: Genotype) -> Counts:
        """What the network of `genotype` costs.

        Raises:
            Fault: the genotype is not of the space, or an operation cannot be built.
        """
        return self.of(self.space.plan(genotype))

    def of(self, plan: Plan) -> Counts:
        """What the network of `plan` costs, which leaves nothing open."""
        known = self._costs
        costs = {p.name: known[p.layer] for p in plan.places if p.layer is not None}
        auxiliary = None if plan.auxiliary is None else costs.pop(plan.auxiliary)
        params = macs = 0
        for cost in costs.values():
            params += cost.params
            macs += cost.macs
        uncounted: set[str] = set()
        if self._uncounted:
            uncounted.update(*(self._uncounted.get(layer, ()) for layer in plan.layers()))
        return Counts(
            params=params,
            macs=macs,
            peak_memory_mb=peak_bytes(plan, costs) / BYTES_PER_MB,
            auxiliary_params=0 if auxiliary is None else auxiliary.params,
            uncounted=tuple(sorted(uncounted)),
        )

    def layer(self, layer: Layer) -> Cost:
        """What one layer costs.

        Raises:
            Fault: it cannot be built, does not run, or its result is of another shape.
        """
        return self._costs[layer]

    def check(self) -> None:
        """Looks at every layer that an operation of the user's own has in some network.

        Raises:
            Fault: what is wrong with each of these operations, a line each.
        """
        own = {name for name, made in self._operations.items() if not shipped(made)}
        wrong: dict[str, str] = {}
        for layer in self.space.plan().candidates() if own else ():
            if layer.operation in own and layer.operation not in wrong:
                try:
                    self.layer(layer)
                except Fault as fault:
                    wrong[layer.operation] = f"{fault} ({self._place(layer)})"
        if wrong:
            raise Fault("\n".join(wrong.values()))

    def _place(self, layer: Layer) -> str:
        """Where a layer is first met: the choice that it is an option of, or its own name."""
        places = self.space.plan().places
        place = next(place for place in places if layer in (place.layer, *place.options))
        return f"choice {place.choice.name}" if place.choice is not None else f"layer {place.name}"

    def _look(self, layer: Layer) -> Cost:
        """By formula, or else by running it on shapes."""
        operation = self._operations.get(layer.operation)
        cost = cost_of(layer, operation)
        if cost is not None:
            return cost
        try:
            cost, uncounted, shape = self._run(layer, "meta")
        except Fault:
            raise
        except Exception:  # it may ask for values, which shapes alone do not have
            try:
                cost, uncounted, shape = self._run(layer, "cpu")
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise Fault(f"{_words(layer)} fails: {reason}") from error
        if len(shape) == 3 and shape != layer.shape:  # logits have no pixels
            raise Fault(
                f"{_words(layer)} gives {_size(shape)}; it must give {_size(layer.shape)}: see its "
                "stride, its padding and its channels"
            )
        if uncounted:
            self._uncounted[layer] = uncounted
        return cost

    def _run(self, layer: Layer, place: str) -> tuple[Cost, tuple[str, ...], tuple[int, ...]]:
        """What `count_layer` says of it."""
        import torch

        from nascli.costs.count import count_layer

        with torch.random.fork_rng(devices=[]), torch.device(place):
            module = self._layers[layer]()
        return count_layer(module, (layer.in_channels, layer.height, layer.width), place)

    @cached_property
    def _layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        return self.space.layers()


def _words(layer: Layer) -> str:
    """A layer as what is wrong with it begins."""
    images = _size((layer.in_channels, layer.height, layer.width))
    return f"operation '{layer.operation}' with stride {layer.stride} on {images}"


def _size(shape: tuple[int, ...]) -> str:
    """Channels, height and width."""
    return "x".join(map(str, shape))


class _Remembered(dict[Layer, Cost]):
    """Layer -> cost, found on first use."""

    def __init__(self, look: Callable[[Layer], Cost]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, layer: Layer) -> Cost:
        cost = self[layer] = self._look(layer)
        return cost
