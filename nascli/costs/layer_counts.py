"""How often a network runs each layer, additions and concatenations among them; no torch."""

from __future__ import annotations

from collections import Counter

from nascli.core.plan import Layer, Place, Plan

Counts = Counter[Layer]
JOINTS = _ADD, _CONCATENATE = "(add)", "(concatenate)"


def counts_of(plan: Plan, *, pruned: bool = False) -> Counts:
    """How often each layer is run, additions and concatenations among them.

    Those are layers of their own here, with the channels of all their inputs together; an addition
    of a single input computes nothing. `pruned` leaves out what the result does not depend on, and
    what is the same for all images, as runtimes do that look at a whole network before they run it.
    """
    needed, constant = {plan.output}, set[str]()
    for place in reversed(plan.places):
        needed.update(place.inputs if place.name in needed else ())
    for place in plan.places:  # zeros, where nothing is added, and whatever is made of them alone
        constant.update([place.name] if constant.issuperset(place.inputs) else ())
    found: Counts = Counter()
    for place in plan.places:
        if place.name == plan.auxiliary or (pruned and place.name not in needed - constant):
            continue
        if place.layer is not None:
            found[place.layer] += 1
        joint = joint_of(place, len(place.inputs))
        if joint is not None:
            found[joint] += 1
    return found


def joint_of(place: Place, inputs: int) -> Layer | None:
    """The addition or concatenation of so many inputs that a place is, if it is one."""
    channels, height, width = place.shape
    if place.kind == "add" and inputs != 1:
        inside = max(1, inputs) * channels  # zeros are written where there is none
        return Layer(_ADD, inside, channels, 1, height, width)
    if place.kind == "concatenate":
        return Layer(_CONCATENATE, channels, channels, 1, height, width)
    return None
