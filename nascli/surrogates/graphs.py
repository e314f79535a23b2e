"""Genotypes as graphs of states and operations; as chains where the space has no plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nascli.core.choice import NONE, Edge
from nascli.core.genotype import Genotype
from nascli.core.space import Planned, SearchSpace, open_plan

Operations = NDArray[np.int64]
Taken = Callable[[Genotype], Mapping[str, str]]

_MOST_PATHS = 2000
_MOST_KINDS = 8


class Graph:
    """The places for operations, and which operation a genotype has at each.

    The open plan of a space says where its edges run, and `taken` which option of each a genotype
    takes. Where there is no plan, or one whose choices are no edges, the choices or the decisions
    are a chain: number i is an edge from state i to state i + 1.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.edges, self._taken = _read(space)
        names = dict.fromkeys(option for edge in self.edges for option in edge.options)
        self.operations = tuple(names)
        self._numbers = {name: number for number, name in enumerate(self.operations, start=1)}
        self.groups = {edge.group: self._rows(edge.group) for edge in self.edges}

    def _rows(self, group: str) -> list[int]:
        return [row for row, edge in enumerate(self.edges) if edge.group == group]

    def __call__(self, genotypes: Sequence[Genotype]) -> Operations:
        """(n, edges): 1 + the number of the operation on each edge; 0 where there is none."""
        found = np.zeros((len(genotypes), len(self.edges)), dtype=np.int64)
        columns = {edge.name: column for column, edge in enumerate(self.edges)}
        for row, genotype in enumerate(genotypes):
            for name, option in self._taken(genotype).items():
                found[row, columns[name]] = self._numbers[option]
        return found

    def paths(self) -> list[list[int]] | None:
        """Every way from an input to a loose end as edges; None if they carry too many operations.

        An input is a state that no edge leads to, a loose end one that no edge leaves.
        """
        found: list[list[int]] = []
        kinds = 0
        for rows in self.groups.values():
            targets = {self.edges[row].target for row in rows}
            starts = {self.edges[row].source for row in rows} - targets
            for start in sorted(starts):
                for path in self._from(start, rows):
                    found.append(path)
                    kinds += len(self.operations) ** len(path)
                    if kinds > _MOST_PATHS:
                        return None
        return found

    def _from(self, state: int, rows: Sequence[int]) -> Iterator[list[int]]:
        leaving = [row for row in rows if self.edges[row].source == state]
        if not leaving:
            yield []
        for row in leaving:
            for rest in self._from(self.edges[row].target, rows):
                yield [row, *rest]


def path_features(
    operations: Operations, paths: Sequence[Sequence[int]], kinds: int
) -> NDArray[np.float64]:
    """The path encoding of White et al. 2021: (n, sequences of operations), 1 where one is there.

    Sequences are told apart by length and operations, not by the states they pass. `kinds` is the
    number of operations.
    """
    offsets = {length: sum(kinds**i for i in range(1, length)) for length in map(len, paths)}
    width = max((offsets[length] + kinds**length for length in offsets), default=0)
    found = np.zeros((len(operations), width))
    for path in paths:
        chosen = operations[:, list(path)]
        whole = np.flatnonzero((chosen > 0).all(axis=1))
        radix = kinds ** np.arange(len(path))
        found[whole, offsets[len(path)] + (chosen[whole] - 1) @ radix] = 1.0
    return found


def graph_counts(graph: Graph, operations: Operations) -> NDArray[np.float64]:
    """How a genotype hangs together, in whole numbers, (n, counts).

    After GRAF (Kadlecova et al. 2024, arXiv 2404.16551), for each group of edges: how many edges
    carry each operation; and of those edges alone that carry one operation, one of two, any but one
    or any at all: the shortest and the longest way from an input to a loose end (as many as there
    are states, and 0, where there is none), the number of ways (at most as many as edges), and how
    many leave an input and enter a loose end.
    """
    kinds = [n for n, name in enumerate(graph.operations, start=1) if name != NONE]
    columns = []
    for rows in graph.groups.values():
        edges, carried = [graph.edges[row] for row in rows], operations[:, rows]
        columns += [(carried == kind).sum(axis=1) for kind in kinds]
        for together in _together(kinds):
            columns += _ways(edges, np.isin(carried, together))
    return np.stack(columns, axis=1).astype(np.float64)


def _together(kinds: Sequence[int]) -> list[tuple[int, ...]]:
    """Which operations are looked at as one; of more than eight, pairs would be too many."""
    sizes = {1, 2, len(kinds) - 1, len(kinds)} if len(kinds) <= _MOST_KINDS else {1, len(kinds)}
    return [some for size in sorted(sizes) for some in itertools.combinations(kinds, size) if some]


def _ways(edges: Sequence[Edge], there: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The five counts of those edges that are `there`, (n, edges)."""
    sources, targets = {edge.source for edge in edges}, {edge.target for edge in edges}
    most, far, shape = len(edges), len(sources | targets), len(there)
    shortest = {state: np.full(shape, far) for state in sources | targets}
    longest = {state: np.full(shape, -far) for state in sources | targets}
    ways = {state: np.zeros(shape, dtype=np.int64) for state in sources | targets}
    for state in sources - targets:
        shortest[state], longest[state] = np.zeros(shape, int), np.zeros(shape, int)
        ways[state] = np.ones(shape, dtype=np.int64)
    for column in sorted(range(most), key=lambda n: edges[n].target):  # inputs before readers
        start, end, on = edges[column].source, edges[column].target, there[:, column]
        shortest[end] = np.minimum(shortest[end], np.where(on, shortest[start] + 1, far))
        longest[end] = np.maximum(longest[end], np.where(on, longest[start] + 1, -far))
        ways[end] = np.minimum(ways[end] + np.where(on, ways[start], 0), most)
    ends = sorted(targets - sources)
    leaving = [n for n, edge in enumerate(edges) if edge.source not in targets]
    entering = [n for n, edge in enumerate(edges) if edge.target not in sources]
    return [
        np.min([shortest[end] for end in ends], axis=0),
        np.max([np.maximum(longest[end], 0) for end in ends], axis=0),
        np.sum([ways[end] for end in ends], axis=0),
        there[:, leaving].sum(axis=1),
        there[:, entering].sum(axis=1),
    ]


def _read(space: SearchSpace) -> tuple[Sequence[Edge], Taken]:
    """The edges, and which options a genotype takes; `none` on an edge is no operation."""
    plan = open_plan(space)
    if plan is None or not isinstance(space, Planned):
        return _chain(space.decisions), lambda genotype: genotype.choices
    choices = plan.choices
    edges = [choice for choice in choices if isinstance(choice, Edge)]
    if len(edges) < len(choices):
        edges = _chain({choice.name: choice.options for choice in choices})
    return edges, lambda genotype: _operations(space.taken(genotype))


def _operations(taken: Mapping[str, str]) -> Mapping[str, str]:
    return {name: option for name, option in taken.items() if option != NONE}


def _chain(options: Mapping[str, tuple[str, ...]]) -> list[Edge]:
    return [
        Edge(name, "chain", allowed, number, number + 1)
        for number, (name, allowed) in enumerate(options.items())
    ]
