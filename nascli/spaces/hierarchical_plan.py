"""The stages of a hierarchical space: cells one after another, each of which may be the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nascli.core.choice import Choice, Edge
from nascli.core.plan import Layer, Place, When
from nascli.spaces.nasbench201_plan import Cell


class Stage:
    """The places of a stage that reads `state`; each is made once and remembered.

    `entry` is what stands before its cells, `ends[n]` what it gives with `n` of them.
    """

    def __init__(self, number: int, state: Place, channels: int, stride: int, most: int) -> None:
        self._number, self._name = number, f"stages.{number - 1}"
        self.entry: list[Place] = []
        if stride > 1 or channels != state.shape[0]:
            into, height, width = state.shape
            layer = Layer("preprocess", into, channels, stride, height, width)
            state = Place("layer", f"{self._name}.entry", (state.name,), layer.shape, layer)
            self.entry = [state]
        self.cells: list[Cell] = []
        self.ends = [state]
        for cell in range(most):
            self.cells.append(Cell(f"{self._name}.cells.{cell}", self.ends[-1]))
            self.ends.append(state._replace(name=self.cells[-1].output))

    def open(self, edges: Sequence[Edge], counts: Sequence[int]) -> Iterator[Place]:
        """All places, with every edge as a choice, and the number of cells if there are several.

        The last of them is what the stage gives.
        """
        yield from self.entry
        group = f"stage {self._number}"
        choice = Choice(f"{self._number}/cells", group, tuple(map(str, counts)))
        for before, cell in enumerate(self.cells):
            there = frozenset(i for i, count in enumerate(counts) if count > before)
            when = When(choice, there) if len(there) < len(counts) else None
            for place in cell.open(edges):
                yield place._replace(when=when)
        if len(counts) > 1:
            ends = tuple(self.ends[count].name for count in counts)
            yield Place("select", f"{self._name}.output", ends, self.ends[0].shape, choice=choice)
