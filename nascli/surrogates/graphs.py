"""Genotypes as graphs of states and operations; as chains where the space has no supernet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nascli.core.choice import Edge
from nascli.core.genotype import Genotype
from nascli.core.space import Relaxable, SearchSpace

Operations = NDArray[np.int64]
Active = Callable[[Genotype], Sequence[tuple[int, ...]]]

_MOST_PATHS = 2000


class Graph:
    """The places for operations, and which operation a genotype has at each.

    A space's supernet says where its edges run and which option of each a genotype takes. Where
    there is none, decision number i is an edge from state i to state i + 1.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.edges, self._active = _read(space)
        names = dict.fromkeys(option for edge in self.edges for option in edge.options)
        self.operations = tuple(names)
        self._numbers = [
            [self.operations.index(o) + 1 for o in edge.options] for edge in self.edges
        ]
        self.groups = {edge.group: self._rows(edge.group) for edge in self.edges}

    def _rows(self, group: str) -> list[int]:
        return [row for row, edge in enumerate(self.edges) if edge.group == group]

    def __call__(self, genotypes: Sequence[Genotype]) -> Operations:
        """(n, edges): 1 + the number of the operation on each edge; 0 where there is none."""
        found = np.zeros((len(genotypes), len(self.edges)), dtype=np.int64)
        for row, genotype in enumerate(genotypes):
            for edge, active in enumerate(self._active(genotype)):
                if active:
                    found[row, edge] = self._numbers[edge][active[0]]
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


def _read(space: SearchSpace) -> tuple[Sequence[Edge], Active]:
    if isinstance(space, Relaxable):
        import torch

        with torch.device("meta"):  # only its shape is of interest
            supernet = space.supernet()
        return supernet.edges, lambda genotype: supernet.path(genotype).active or ()
    decisions = space.decisions
    edges = [
        Edge(name, "chain", options, number, number + 1)
        for number, (name, options) in enumerate(decisions.items())
    ]
    allowed = list(decisions.values())

    def active(genotype: Genotype) -> list[tuple[int, ...]]:
        return [(o.index(c),) for o, c in zip(allowed, genotype.options, strict=True)]

    return edges, active
