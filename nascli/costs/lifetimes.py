"""The most memory that a network holds at once, from the lifetimes of its plan's tensors.

docs/costs.md has the rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain

from nascli.core.plan import IMAGES, Plan
from nascli.costs.cost import Cost

_FLOAT = 4  # bytes


def peak_bytes(plan: Plan, costs: Mapping[str, Cost]) -> int:
    """The peak of one eval-mode pass over one image, in bytes.

    `plan` is that of a genotype; `costs` says for every place with a layer, by its name, what the
    layer costs. Thousands of plans a second go through here, so it is written out in one piece.
    """
    places = [place for place in plan.places if place.name != plan.auxiliary]
    # How often a tensor will still be read; the images and the result are the caller's too.
    waiting = Counter(chain.from_iterable(place.inputs for place in places))
    waiting.update((IMAGES, plan.output))
    owner: dict[str, str] = {}  # of a tensor that was passed on: the one whose memory it is
    size = {IMAGES: _bytes(plan.input_shape)}
    live = peak = size[IMAGES]
    for place in places:
        name, inputs = place.name, place.inputs
        cost = costs.get(name)
        if cost is not None:
            _, _, held, kept, passed_on = cost
        else:
            passed_on = place.kind == "add" and len(inputs) == 1
            held = kept = 0 if passed_on else _bytes(place.shape)
        if live + held > peak:
            peak = live + held
        if passed_on:
            own = owner[name] = owner.get(inputs[0], inputs[0])
            waiting[own] += waiting[name]
        elif waiting[name]:
            size[name] = kept
            live += kept
        for number, read in enumerate(inputs):
            if number > 1 and place.kind == "add":  # the sum so far is there, and the next one
                held = kept if waiting[name] else 2 * kept
                if live + held > peak:
                    peak = live + held
            own = owner.get(read, read)
            waiting[own] -= 1
            if not waiting[own]:
                live -= size[own]
    return peak


def _bytes(shape: tuple[int, int, int]) -> int:
    channels, height, width = shape
    return _FLOAT * channels * height * width
