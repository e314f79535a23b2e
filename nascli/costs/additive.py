"""Costs that add up over the choices of a space: a fixed part, and one for each option taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nascli.core.choice import Choice
from nascli.core.device import LooksUp, Predicting
from nascli.core.fault import Fault
from nascli.core.plan import Layer, Plan, When
from nascli.core.randomness import generator
from nascli.core.space import Planned, at, sample, size
from nascli.costs.edges import fit
from nascli.costs.footprint import flash_of
from nascli.costs.int8 import KIB
from nascli.costs.layer_counts import joint_of
from nascli.costs.plans import PlanCounter

if TYPE_CHECKING:
    from nascli.core.problem import Problem

ADDITIVE = ("latency_ms", "macs", "flops", "params", "flash_kib")
_MOST = 2_000  # genotypes looked up: random ones, or all of a smaller space


class Sums(NamedTuple):
    """In the metric's unit: what every network has, and what an option adds at all of its places.

    `options` has a row for each choice of the open plan, in order, with a number for each option.
    """

    fixed: float
    options: Sequence[Sequence[float]]


def sums(problem: Problem, space: Planned, plan: Plan, metric: str) -> dict[When | None, Sums]:
    """What one of `ADDITIVE` is made of: at places of all networks (None), and under conditions.

    A latency is the sum of the layers' own, which are measured if they have not been, or are those
    that a device predicts by, with what it predicts for networks, additions and concatenations
    themselves; on one that knows whole networks alone it is a fit of what it says
    (`nascli.costs.edges`).

    Raises:
        Fault: a device looks up what its space does not decide by choices.
    """
    device = problem.device
    by_layers = isinstance(device, Predicting)
    if metric == "latency_ms" and isinstance(device, LooksUp) and not by_layers:
        return {None: _looked_up(device, space, plan)}
    cost = _of_layers(problem, space, metric)
    found: dict[When | None, Sums] = {}
    for when in (None, *plan.conditions):
        rows = [
            [
                cost([p.options[number] for p in places if p.when == when])
                for number in range(len(choice.options))
            ]
            for choice, places in ((c, plan.by_choice[c]) for c in plan.choices)
        ]
        found[when] = Sums(cost(list(plan.layers(when))), rows)
    if metric == "latency_ms" and isinstance(device, Predicting):
        for when, of in found.items():
            always = device.constant_ms() if when is None else 0.0
            joints = math.fsum(device.layer_ms(joint) for joint in _joints(plan, when))
            found[when] = of._replace(fixed=of.fixed + always + joints)
    return found


def _joints(plan: Plan, when: When | None) -> Iterator[Layer]:
    """Additions and concatenations of an open plan, of as many inputs as a network may have."""
    for place in plan.places:
        count = len(place.inputs)
        joint = joint_of(place, count if place.keep is None else min(count, place.keep))
        if joint is not None and place.when == when:
            yield joint


def _of_layers(
    problem: Problem, space: Planned, metric: str
) -> Callable[[Sequence[Layer | None]], float]:
    """What layers cost together."""
    device = problem.device
    if metric == "latency_ms" and isinstance(device, Predicting):
        return lambda layers: math.fsum(device.layer_ms(n) for n in layers if n is not None)
    if metric == "latency_ms":
        from nascli.costs.latency_table import measured

        table = measured(problem)
        return lambda layers: table.sum_of([n for n in layers if n is not None])
    if metric == "flash_kib":
        flash = flash_of(space)
        return lambda layers: math.fsum(flash(n) for n in layers if n is not None) / KIB
    counter = PlanCounter(space)
    counted, times = ("macs", 2) if metric == "flops" else (metric, 1)
    return lambda layers: (
        times * math.fsum(getattr(counter.layer(n), counted) for n in layers if n is not None)
    )


def _looked_up(device: LooksUp, space: Planned, plan: Plan) -> Sums:
    choices: dict[str, Choice] = {choice.name: choice for choice in plan.choices}
    if {n: c.options for n, c in choices.items()} != dict(space.decisions):
        raise Fault(
            f"device={device.name} knows whole networks, and the choices of space "
            f"'{space.name}' are not its decisions, so no latency is known of single options"
        )
    rng, count = generator(0, "edges"), size(space)
    every = range(min(count, _MOST))
    genotypes = [at(space, n) if count <= _MOST else sample(space, rng) for n in every]
    known = [(g, device.latency_ms(g)) for g in genotypes if not device.doubt(g)]
    table = fit(space.decisions, known)
    return Sums(table.fixed, [table.rows[choice.name] for choice in plan.choices])
