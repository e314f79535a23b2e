"""The smallest and the largest network of a space, proved from its open plan or its sizes.

Parameters and multiply-adds add up over layers, so the least sum is that of the least options. A
choice counts at all of its places together; an addition that keeps k of its inputs keeps the k
best; a choice of how many cells there are is tried with each of its options. What comes out is
believed only where a genotype of the space has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from nascli.core.choice import Choice
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan, When
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
    units = _units(plan, groups)
    if units is None:
        return None
    total = sum(value(layer) for layer in plan.layers())
    rows = {choice: [0.0] * len(choice.options) for choice in plan.choices}
    for selects, inside in units:
        numbers = [None] if selects is None else range(len(selects.options))
        found = [(*_best(plan, inside, value, selects, number), number) for number in numbers]
        least, taken, number = min(found, key=lambda entry: entry[0])
        total += least
        for (choice, option), strength in taken.items():
            rows[choice][option] = strength
        if selects is not None and number is not None:
            rows[selects][number] = _TAKEN
    return total, [rows[choice] for choice in plan.choices]


_Group = tuple[tuple[Choice, ...], int | None]


def _units(plan: Plan, groups: Sequence[_Group]) -> list[tuple[Choice | None, list[_Group]]] | None:
    """The groups by the choice that says how many of their places there are; None: by no choice.

    None where several choices say so.
    """
    selecting = dict.fromkeys(when.choice for when in plan.conditions)
    units: dict[Choice | None, list[_Group]] = {choice: [] for choice in (*selecting, None)}
    for choices, keep in groups:
        places = (place for choice in choices for place in plan.by_choice[choice])
        by = {place.when.choice for place in places if place.when is not None}
        if len(by) > 1:
            return None
        if not selecting.keys() & set(choices):
            units[by.pop() if by else None].append((choices, keep))
    return list(units.items())


def _best(
    plan: Plan,
    groups: Sequence[_Group],
    value: Callable[[Layer], int],
    selects: Choice | None,
    number: int | None,
) -> tuple[int, dict[tuple[Choice, int], float]]:
    """The least that `groups` sum to where `selects` takes its option `number`.

    With the strengths of options that have it.
    """
    there = [w for w in plan.conditions if w.choice == selects and number in w.numbers]
    total = sum(value(layer) for when in there for layer in plan.layers(when))
    strengths: dict[tuple[Choice, int], float] = {}
    for choices, keep in groups:
        best = {c: min(_sums(plan, c, value, keep, (None, *there))) for c in choices}
        kept = sorted(choices, key=lambda choice: best[choice][0])[:keep]
        total += sum(best[choice][0] for choice in kept)
        for choice, (_, option) in best.items():
            strengths[choice, option] = _TAKEN if choice in kept else _LEFT_OUT
    return total, strengths


def _sums(
    plan: Plan,
    choice: Choice,
    value: Callable[[Layer], int],
    keep: int | None,
    there: Collection[When | None],
) -> Iterator[tuple[int, int]]:
    """What each option sums to over the choice's places that are `there`, with its number.

    Where an addition keeps some inputs, an option that is not computed is none that it keeps.
    """
    places = [place for place in plan.by_choice[choice] if place.when in there]
    for number in range(len(choice.options)):
        layers = [place.options[number] for place in places]
        if keep is None or not places or any(layer is not None for layer in layers):
            yield sum(value(n) for n in layers if n is not None), number


def sizes(plan: Plan, counter: PlanCounter) -> list[list[float]]:
    """For every choice the multiply-adds of each option, over all places; params break ties.

    An option that says which places there are counts these places.
    """
    found: list[list[float]] = []
    for choice, places in plan.by_choice.items():
        row = []
        for layers in zip(*(place.options for place in places), strict=True):
            costs = [counter.layer(layer) for layer in layers if layer is not None]
            params = sum(cost.params for cost in costs)
            row.append(sum(cost.macs for cost in costs) + params / (1 + params))
        there = [p.when.numbers for p in plan.places if p.when and p.when.choice == choice]
        if there:
            row = [float(sum(n in where for where in there)) for n in range(len(choice.options))]
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
