"""The smallest and the largest network of a space, proved from its open plan or its sizes.

Parameters and multiply-adds add up over layers, so the least sum is that of the least options. A
choice counts at all of its places together; an addition that keeps k of its inputs keeps the k
best. What comes out is believed only where a genotype of the space has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from nascli.core.choice import Choice
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan
from nascli.core.space import Derivable, SearchSpace, Shrinkable, ends, open_plan
from nascli.core.survey import Extremes
from nascli.costs.cost import Cost
from nascli.costs.plans import PlanCounter

_TAKEN, _LEFT_OUT = 2.0, 1.0  # strengths of the best option where it is kept and where it is not
_METRICS: Mapping[str, Callable[[Cost], int]] = {
    "params": lambda cost: cost.params,
    "macs": lambda cost: cost.macs,
}


def extremes(space: SearchSpace, counter: PlanCounter) -> Extremes:
    """The genotypes of least and largest `params`, `macs` and `flops`.

    Empty where it cannot be proved: the choices of the plan are not independent of each other, the
    space does not turn strengths into genotypes, or has no open plan.
    """
    if isinstance(space, Shrinkable):  # every size adds to both
        return dict.fromkeys((*_METRICS, "flops"), ends(space))
    plan = open_plan(space)
    if plan is None or not isinstance(space, Derivable):
        return {}
    found: dict[str, tuple[Genotype, Genotype]] = {}
    for metric, value in _METRICS.items():
        both = []
        for sign in (1, -1):
            best = least(plan, partial(_signed, sign, value, counter))
            if best is None:
                return {}
            total, rows = best
            genotype = space.derive(rows)
            if getattr(counter(genotype), metric) != sign * total:
                return {}
            both.append(genotype)
        found[metric] = both[0], both[1]
    return {**found, "flops": found["macs"]}


def _signed(sign: int, value: Callable[[Cost], int], counter: PlanCounter, layer: Layer) -> int:
    return sign * value(counter.layer(layer))


def least(plan: Plan, value: Callable[[Layer], int]) -> tuple[int, list[list[float]]] | None:
    """The least total value, and for every choice the strengths of the options that have it.

    None where the choices of the open `plan` are not independent of each other.
    """
    groups = groups_of(plan)
    if groups is None:
        return None
    total = sum(value(layer) for layer in plan.layers())
    rows = {choice: [0.0] * len(choice.options) for choice in plan.choices}
    for choices, keep in groups:
        best = {c: min(_sums(plan, c, value, keep)) for c in choices}
        kept = sorted(choices, key=lambda choice: best[choice][0])[:keep]
        total += sum(best[choice][0] for choice in kept)
        for choice, (_, option) in best.items():
            rows[choice][option] = _TAKEN if choice in kept else _LEFT_OUT
    return total, [rows[choice] for choice in plan.choices]


def _sums(
    plan: Plan,
    choice: Choice,
    value: Callable[[Layer], int],
    keep: int | None,
) -> Iterator[tuple[int, int]]:
    """What each option sums to over the choice's places, with its number.

    Where an addition keeps some inputs, an option that is not computed is none that it keeps.
    """
    places = plan.by_choice[choice]
    for number in range(len(choice.options)):
        layers = [place.options[number] for place in places]
        if keep is None or not places or any(layer is not None for layer in layers):
            yield sum(value(n) for n in layers if n is not None), number


def sizes(plan: Plan, counter: PlanCounter) -> list[list[float]]:
    """For every choice the multiply-adds of each option, over all places; params break ties."""
    found: list[list[float]] = []
    for places in plan.by_choice.values():
        row = []
        for layers in zip(*(place.options for place in places), strict=True):
            costs = [counter.layer(layer) for layer in layers if layer is not None]
            params = sum(cost.params for cost in costs)
            row.append(sum(cost.macs for cost in costs) + params / (1 + params))
        found.append(row)
    return found


def groups_of(plan: Plan) -> list[tuple[tuple[Choice, ...], int | None]] | None:
    """The choices that are decided together, and how many of them a genotype keeps.

    None where one choice is in several groups, or an addition keeps some of what is no choice.
    """
    choice_of = {place.name: place.choice for place in plan.places}
    groups: dict[tuple[Choice, ...], int] = {}
    for place in plan.places:
        if place.kind != "add" or place.keep is None:
            continue
        choices = tuple(choice for name in place.inputs if (choice := choice_of.get(name)))
        if len(set(choices)) < len(place.inputs) or groups.get(choices, place.keep) != place.keep:
            return None
        groups[choices] = place.keep
    together = [choice for choices in groups for choice in choices]
    if len(set(together)) < len(together):
        return None
    alone = [choice for choice in plan.choices if choice not in set(together)]
    return [*groups.items(), *(((choice,), None) for choice in alone)]
