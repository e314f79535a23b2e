"""Traits: what the loop and the checks must know of a component, declared by the component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.goal import Objective

_BEFORE = (
    "repeatable", "by_genotype", "immediate", "objective",
    "several_objectives", "weight_sharing", "own_processes",
)  # fmt: skip
"""Attributes by which components once said the same."""


@dataclass(frozen=True)
class Traits:
    """A class declares them as its attribute `traits`; an instance may declare its own.

    What stands in the class holds for every instance, so it is known before one is built. A
    component that wraps another forwards the other's traits whole.

    Of estimators:

    - `repeatable`: the same proposal always gets the same answer, so the loop need not ask twice;
      False where weights change under way.
    - `by_genotype`: the answer depends on how the genotype is written and not on its function
      alone, as a table's does: then equivalent genotypes are asked for apart.
    - `immediate`: an answer takes no training, so costs can be looked at before the search.
    - `objective`: what a search with it is for, unless the user says otherwise.
    - `fidelities`: the answer depends on the proposal's fidelity.
    - `on_request`: metrics that it reports, besides its usual ones, where the goal looks at them.
    - `rungs`: the only fidelities that it tells apart, rising; empty: any are.
    - `at_once`: about how many proposals it is best asked together (`estimator.Together`).
    - `again`: genotype -> a better look than trials get, for the answer and all of a front.
    - `final`: genotype -> what is kept for the final report, such as a table's test accuracy.
    - `genotypes`: those that it has answers for, equivalent ones once; None: all of the space.
    - `learnt`: the genotypes whose answers it has seen, which an audit leaves out.

    Of strategies:

    - `several_objectives`: it can search for a front.
    - `several_fidelities`: it spares time by proposing at low fidelities first.
    - `trials`: after how many it ends by itself; None if it does not.
    - `unit`: what people call a trial of it, such as "epoch".

    Of strategies, estimators and parts of a gradient search: `weight_sharing`: it is built as
    `Component(problem, shared, **yaml)`, with the weights that strategy and estimators share.

    Of samplers: `distils`: what paths learn from besides labels. "first": the first path of a step
    learns from labels, the others from what it says, in place of labels. "largest": all learn from
    labels and, as much, from the largest network as it was before any other one was trained.

    Of workers: `own_processes`: proposals are evaluated outside of this process.
    """

    repeatable: bool = True
    by_genotype: bool = False
    immediate: bool = False
    fidelities: bool = True
    rungs: tuple[float, ...] = ()
    objective: Objective = field(default_factory=lambda: Objective("accuracy", "max"))
    on_request: tuple[str, ...] = ()
    at_once: int = 1
    again: Callable[[Genotype], Mapping[str, float]] | None = None
    final: Callable[[Genotype], Mapping[str, float]] | None = None
    genotypes: Callable[[], Sequence[Genotype] | None] | None = None
    learnt: tuple[Genotype, ...] = ()
    several_objectives: bool = False
    several_fidelities: bool = False
    trials: int | None = None
    unit: str = "trial"
    weight_sharing: bool = False
    own_processes: bool = False
    distils: Literal["", "first", "largest"] = ""


def traits_of(component: object) -> Traits:
    """What a component, its class or a partial of it declares; the usual traits if nothing.

    Raises:
        Fault: `traits` is something else, or the component speaks as before there were traits.
    """
    if isinstance(component, partial):  # what a config with `_partial_: true` makes
        component = component.func
    declared = getattr(component, "traits", None)  # the one place that looks
    name = name_of(component)
    if isinstance(declared, Traits):
        return declared
    if declared is not None:
        raise Fault(f"{name}.traits is {declared!r:.80}; it must be nascli.core.traits.Traits(...)")
    before = [key for key in _BEFORE if hasattr(component, key)]
    if before:
        values = ", ".join(f"{key}={getattr(component, key)!r}" for key in before)
        raise Fault(
            f"{name} declares {', '.join(before)} as attributes, as components did before; write "
            f"`traits = Traits({values})` instead (from nascli.core.traits import Traits)"
        )
    return Traits()


def name_of(component: object) -> str:
    """What a component's class is called; that of a partial is what it makes."""
    made = component.func if isinstance(component, partial) else component
    return made.__name__ if isinstance(made, type) else type(made).__name__
