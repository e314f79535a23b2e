"""Flash and RAM on a microcontroller, in KiB: what no network of a space is below, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from nascli.core.fault import Fault
from nascli.core.plan import IMAGES, Layer, Place, Plan
from nascli.core.space import Derivable, Planned, Shrinkable, ends, open_plan
from nascli.costs.arena import fullest, held
from nascli.costs.extremes import least
from nascli.costs.int8 import KIB, Int8Network, Step, Writer
from nascli.costs.int8_layers import int8_network, of_layer

_ALONE = ("conv", "depthwise", "linear", "pool", "add", "concatenate")
"""Kinds of steps that stay steps of their own whatever is before and behind them."""


def network_of(space: Planned, plan: Plan) -> Int8Network:
    """The steps of a plan of the space.

    Raises:
        Fault: it has an operation of the user's own.
    """
    return int8_network(plan, operations_of(space))


def operations_of(space: object) -> Mapping[str, Any]:
    """What builds the operations of a space; nothing for one that has none."""
    found = getattr(space, "operations", {})
    return found if isinstance(found, Mapping) else {}


def blocking(network: Int8Network) -> str:
    """The moment at which most RAM is needed, with the tensors that are there."""
    most = fullest(network)
    writer = {step.name: str(step) for step in network.steps}
    there = [f"{writer.get(t.name, 'the images')} {t.bytes / KIB:.4g} KiB" for t in most.largest]
    more = f" and {len(there) - 3} more" if len(there) > 3 else ""
    return f"most is held at {most.step}: {', '.join(there[:3])}{more}"


def by_place(network: Int8Network) -> list[dict[str, str | float]]:
    """For every place its steps, its flash, and the most RAM that is held while it is computed."""
    found: dict[str, dict[str, str | float]] = {}
    for step, there in zip(network.steps, held(network), strict=True):
        kind = f"{step.kind} {step.size}".strip()
        ram = sum(tensor.bytes for tensor in there) / KIB
        row = found.get(step.place)
        if row is None:
            row = {"place": step.place, "steps": kind, "flash_kib": 0.0, "held_kib": ram}
            found[step.place] = row
        else:
            row |= {
                "steps": f"{row['steps']}, {kind}",
                "held_kib": max(float(row["held_kib"]), ram),
            }
        row["flash_kib"] = float(row["flash_kib"]) + step.flash_bytes / KIB
    return list(found.values())


def flash_of(space: Planned) -> Callable[[Layer], int]:
    """What a layer adds to the weights of every network that has it, in bytes."""
    operations = operations_of(space)

    @cache
    def flash(layer: Layer) -> int:
        return sum(step.flash_bytes for step in steps_of(layer, operations))

    return flash


def steps_of(layer: Layer, operations: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps of a layer that stands alone; none for the identity.

    Raises:
        Fault: it is an operation of the user's own.
    """
    write = Writer((layer.in_channels, layer.height, layer.width))
    write.place = layer.operation
    output = of_layer(write, layer, IMAGES, operations)
    return write.network(output).steps


_first = itemgetter(0)


class Least:
    """What is proved of every network of a space: from the places that all of them compute.

    Of a space of sizes it is from the smallest network, for every size adds to flash and to RAM.
    Nothing is proved where there is no open plan either, or an operation of the user's own.
    """

    def __init__(self, space: Planned) -> None:
        self._space = space
        self._operations = operations_of(space)
        self._known: dict[Layer, tuple[Step, ...]] = {}
        self._plan = open_plan(space)
        self._smallest: Int8Network | None = None
        if isinstance(space, Shrinkable):
            self._smallest = network_of(space, space.plan(ends(space)[0]))
        try:
            self._needed = frozenset[str]() if self._plan is None else self._walked(self._plan)
        except Fault:  # an operation of the user's own, which is said where a network has it
            self._plan, self._needed = None, frozenset()

    def flash(self) -> float | None:
        """KiB of weights that no network is below; None where it is not proved."""
        plan, space = self._plan, self._space
        if self._smallest is not None:
            return self._smallest.flash_bytes / KIB
        if plan is None or not isinstance(space, Derivable):
            return None
        if {place.name for place in plan.places} - _kept(plan) - self._needed:
            return None  # some place may stay out of a network, with its weights
        found = least(plan, flash_of(space))
        if found is None:
            return None
        total, strengths = found
        genotype = space.derive(strengths)
        proved = network_of(space, space.plan(genotype)).flash_bytes == total
        return total / KIB if proved else None

    def ram(self) -> tuple[float, str] | None:
        """KiB that tensors of every network take at once, and which; None where none is known.

        What a step reads and writes is there at the same time: the least option at each choice.
        """
        if self._smallest is not None:
            steps = zip(self._smallest.steps, held(self._smallest), strict=True)
            # The largest resolution is that of the images, which are not resized.
            moments = [(sum(t.bytes for t in there), s) for s, there in steps if s.kind != "resize"]
            size, step = max(moments, key=_first)
            return size / KIB, f"so much is held at {step} of the smallest network"
        found: list[tuple[int, Place, Step]] = []
        for place in () if self._plan is None else self._plan.places:
            if place.name in self._needed and place.kind in ("layer", "choice"):
                each = [self._largest(layer) for layer in _options(place)]
                if each and all(each):
                    size, step = min((one for one in each if one is not None), key=_first)
                    found.append((size, place, step))
        if not found:
            return None
        size, place, step = max(found, key=_first)
        read, written = (size - step.bytes) / KIB, step.bytes / KIB
        which = place.name if place.kind == "layer" else f"the least option of {place.name}"
        return size / KIB, f"{which} alone reads {read:.4g} and writes {written:.4g} KiB at once"

    def _walked(self, plan: Plan) -> frozenset[str]:
        """The places that every network computes, found from its result backwards.

        An addition that keeps fewer inputs than it has may leave out any of them; of what a choice
        selects from, only what has no condition is certain.
        """
        needed, kept = {plan.output}, _kept(plan)
        always = {place.name for place in plan.places if place.when is None}
        for place in reversed(plan.places):
            if place.name not in needed:
                continue
            if place.kind in ("layer", "choice"):
                if None in place.options and place.name not in kept:
                    needed.discard(place.name)
                elif all(map(self._reads, _options(place))):
                    needed.update(place.inputs)
            elif place.kind == "select":
                needed.update(name for name in place.inputs if name in always)
            elif place.keep is None or place.keep >= len(place.inputs):
                needed.update(place.inputs)
        return frozenset(needed)

    def _reads(self, layer: Layer) -> bool:
        """Whether the result of a layer comes from what it is given: not so for zeros."""
        steps = self._steps(layer)
        return not steps or any(IMAGES in step.inputs for step in steps)

    def _steps(self, layer: Layer) -> tuple[Step, ...]:
        if layer not in self._known:
            self._known[layer] = steps_of(layer, self._operations)
        return self._known[layer]

    def _largest(self, layer: Layer) -> tuple[int, Step] | None:
        """What the largest step of a layer reads and writes together, in bytes, and the step."""
        steps = self._steps(layer)
        size = {step.name: step.bytes for step in steps}
        size[IMAGES] = layer.in_channels * layer.height * layer.width
        both = ((s.bytes + sum(size[r] for r in set(s.inputs)), s) for s in steps)
        return max((one for one in both if one[1].kind in _ALONE), default=None, key=_first)


def _kept(plan: Plan) -> frozenset[str]:
    """What additions choose their inputs from: there an option is always one that is computed."""
    return frozenset(read for p in plan.places if p.keep is not None for read in p.inputs)


def _options(place: Place) -> Iterator[Layer]:
    """The layer of a place, or those that it may have."""
    if place.layer is not None:
        yield place.layer
    yield from (layer for layer in place.options if layer is not None)
