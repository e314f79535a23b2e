"""What of a network its images flow through: layers on a path from the images to the output."""

from __future__ import annotations

from typing import NamedTuple

from nascli.core.genotype import Genotype
from nascli.core.plan import IMAGES, Plan
from nascli.core.space import Planned
from nascli.costs.plans import PlanCounter


class Live(NamedTuple):
    """Parameters and multiply-adds of the live layers."""

    params: int
    macs: int


def live(plan: Plan) -> frozenset[str]:
    """The names of the places whose result depends on the images and on which the output depends.

    An operation that reads zeros alone, or that nobody reads, costs what it costs and adds nothing.
    Where the images do not come through, no place is live.
    """
    reached = {IMAGES}
    for place in plan.places:  # inputs come before their readers
        if reached.intersection(place.inputs):
            reached.add(place.name)
    read = {plan.output}
    for place in reversed(plan.places):
        if place.name in read:
            read.update(place.inputs)
    both = reached & read
    return frozenset(both - {IMAGES}) if plan.output in both else frozenset()


def ignores_images(space: object, genotype: Genotype) -> bool:
    """Whether the network of a genotype is known to answer all images alike."""
    return isinstance(space, Planned) and not live(space.plan(genotype))


def live_counts(counter: PlanCounter, plan: Plan) -> Live:
    """What the live layers of a plan, which leaves nothing open, cost together."""
    names = live(plan)
    costs = [counter.layer(p.layer) for p in plan.places if p.layer is not None and p.name in names]
    return Live(sum(cost.params for cost in costs), sum(cost.macs for cost in costs))
