"""The cells of a genotype as graphs: states, and the operations on the edges between them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nascli.core.choice import Edge
from nascli.core.genotype import Genotype
from nascli.core.space import Planned, SearchSpace, open_plan


@dataclass(frozen=True)
class Cell:
    """Inputs by their labels, then nodes: per node a label and its (source, operation) edges.

    States are numbered: inputs first, then nodes. `output` names what the nodes make side by side,
    where that is the result; otherwise it is the last node.
    """

    inputs: Sequence[str]
    nodes: Sequence[tuple[str, Sequence[tuple[int, str]]]]
    output: str | None


def cells_of(space: SearchSpace, genotype: Genotype) -> dict[str, Cell]:
    """Every kind of cell by the name of its picture; empty if there are choices of another kind.

    A choice of how many cells there are may stand beside edges.
    """
    plan = open_plan(space)
    if plan is None or not isinstance(space, Planned):
        return {}
    edges = [choice for choice in plan.choices if isinstance(choice, Edge)]
    others = {*plan.choices} - {*edges, *(when.choice for when in plan.conditions)}
    if others or any(edge.source >= edge.target for edge in edges):
        return {}
    taken = space.taken(genotype)
    places = {edge: plan.by_choice[edge] for edge in edges}
    edges = [e for e in edges if not places[e] or any(p.there(taken) for p in places[e])]
    nodes = {p.name for p in plan.places if p.kind == "add" and p.cell}
    joined = any(p.kind == "concatenate" and nodes.issuperset(p.inputs) for p in plan.places)
    cells = {}
    for group in dict.fromkeys(edge.group for edge in edges):
        own = [edge for edge in edges if edge.group == group]
        name = re.sub("[^A-Za-z0-9_-]", "_", group)
        name = name if name.endswith("cell") else f"{name}_cell"
        cells[name] = _cell(own, taken, "c(k)" if joined else None)
    return cells


def _cell(edges: Sequence[Edge], taken: Mapping[str, str], output: str | None) -> Cell:
    """The cell of these edges; several inputs are the outputs of the cells before it."""
    targets = sorted({edge.target for edge in edges})
    inputs = sorted({edge.source for edge in edges} - set(targets))
    state = {number: index for index, number in enumerate((*inputs, *targets))}
    labels = [str(number) for number in inputs]
    if len(inputs) > 1:
        labels = [f"c(k-{len(inputs) - index})" for index in range(len(inputs))]
    nodes = [
        (
            str(target),
            sorted(
                (state[edge.source], taken[edge.name])
                for edge in edges
                if edge.target == target and edge.name in taken
            ),
        )
        for target in targets
    ]
    return Cell(labels, nodes, output)
