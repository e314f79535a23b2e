"""The most memory that a network holds at once, from the lifetimes of its plan's tensors.

docs/costs.md has the rule.
"""

from __future__ import annotations

from collections.abc import Mapping

from nascli.core.plan import IMAGES, Layer, Plan
from nascli.costs.cost import Cost

_FLOAT = 4  # bytes


def peak_bytes(plan: Plan, costs: Mapping[Layer, Cost]) -> int:
    """The peak of one eval-mode pass over one image, in bytes.

    `plan` is that of a genotype, and `costs` has every layer of it. Thousands of plans a second go
    through here, so what is done for each place is written out in one piece.
    """
    places = [place for place in plan.places if place.name != plan.auxiliary]
    readings = {plan.output: 1}  # by the caller
    for place in places:
        for name in place.inputs:
            readings[name] = readings.get(name, 0) + 1
    # Of each tensor whose storage it is (that of its input, where that is passed on), and of each
    # storage how often it will still be read. Images stay with the caller.
    storage, waiting, size = {IMAGES: IMAGES}, {IMAGES: readings.get(IMAGES, 0) + 1}, {IMAGES: 0}
    live = peak = _bytes(plan.input_shape)
    for place in places:
        kind, name, inputs = place.kind, place.name, place.inputs
        passed_on, before = kind == "add" and len(inputs) == 1, len(inputs)
        if place.layer is not None:
            cost = costs[place.layer]
            passed_on, held, kept = cost.returns_input, cost.peak_bytes, cost.output_bytes
        else:
            held = kept = 0 if passed_on else _bytes(place.shape)
            if kind == "add":
                before = min(before, 2)  # that the first sum reads
        if live + held > peak:
            peak = live + held
        live += kept
        if passed_on:
            own = storage[name] = storage[inputs[0]]
            waiting[own] += readings.get(name, 0)
        else:
            storage[name], size[name] = name, kept
            waiting[name] = readings.get(name, 0)
            if not waiting[name]:
                live -= kept
        for number, read in enumerate(inputs):
            if number >= before and live + kept > peak:  # the sum so far, and the next one
                peak = live + kept
            own = storage[read]
            waiting[own] -= 1
            if not waiting[own]:
                live -= size[own]
    return peak


def _bytes(shape: tuple[int, int, int]) -> int:
    channels, height, width = shape
    return _FLOAT * channels * height * width
