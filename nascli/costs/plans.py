"""Costs of whole networks, summed over their plans; no network is built, and no torch needed.

An operation of the user's own is built and counted once for every shape that it takes, with torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan
from nascli.core.space import Planned
from nascli.costs.cost import BYTES_PER_MB, Cost, Counts
from nascli.costs.formulas import cost_of
from nascli.costs.lifetimes import peak_bytes


class PlanCounter:
    """Counts the networks of a space: what `count` says of a built one, hundreds of times sooner.

    docs/costs.md says what is counted. Every kind of layer is looked up once and remembered.

    Args:
        space: gives plans. Its `operations`, where it has any, tell what builds an operation.
    """

    def __init__(self, space: Planned) -> None:
        self._space = space
        self._operations: Mapping[str, Any] = getattr(space, "operations", {})
        self._uncounted: dict[Layer, tuple[str, ...]] = {}
        self._costs = _Remembered(self._look)

    def __call__(self, genotype: Genotype) -> Counts:
        """What the network of `genotype` costs.

        Raises:
            Fault: the genotype is not of the space, or an operation cannot be built.
        """
        return self.of(self._space.plan(genotype))

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
        """What one layer costs."""
        return self._costs[layer]

    def _look(self, layer: Layer) -> Cost:
        """By formula, or else by running it on shapes."""
        operation = self._operations.get(layer.operation)
        cost = cost_of(layer, operation)
        if cost is not None:
            return cost
        import torch

        from nascli.costs.count import count_layer

        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            module = self._space.layers()[layer]()
        shape = (layer.in_channels, layer.height, layer.width)
        cost, uncounted = count_layer(module, shape)
        if uncounted:
            self._uncounted[layer] = uncounted
        return cost


class _Remembered(dict[Layer, Cost]):
    """Layer -> cost, found on first use."""

    def __init__(self, look: Callable[[Layer], Cost]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, layer: Layer) -> Cost:
        cost = self[layer] = self._look(layer)
        return cost
