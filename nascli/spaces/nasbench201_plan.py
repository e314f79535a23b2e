"""Plans of NAS-Bench-201: which layers stand where, of which shapes, and who reads whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nascli.core.choice import NONE, Edge
from nascli.core.plan import IMAGES, Layer, Place, Plan, Shape
from nascli.genotypes.nasbench201 import PLACES

STAGES = 3


@dataclass(frozen=True)
class Sizes:
    """What a network is besides its genotype; `NASBench201` says what the numbers mean."""

    input_shape: Shape
    classes: int
    channels: int
    cells_per_stage: int


class Plans:
    """The plans of all genotypes at one depth; every place is made once and remembered.

    `edges` are the choices of the open plan.
    """

    def __init__(self, sizes: Sizes, edges: Sequence[Edge]) -> None:
        self._sizes, self._edges = sizes, edges
        images, height, width = sizes.input_shape
        self._stem = _place("stem", IMAGES, Layer("stem", images, sizes.channels, 1, height, width))
        self._stages: list[list[Cell]] = []
        self._reductions: list[Place] = []
        state = self._stem
        for stage in range(STAGES):
            if stage:
                into, height, width = state.shape
                layer = Layer("residual_reduction", into, 2 * into, 2, height, width)
                state = _place(f"reductions.{stage - 1}", state.name, layer)
                self._reductions.append(state)
            self._stages.append([])
            for number in range(sizes.cells_per_stage):
                cell = Cell(f"stages.{stage}.{number}", state)
                self._stages[-1].append(cell)
                state = state._replace(name=cell.output)  # no edge changes the shape
        self._last = ending(state, sizes.classes)
        self._made: dict[int, tuple[str, ...]] = {}

    def fixed(self, options: Sequence[str]) -> Plan:
        """The plan of the network with these options of the cell's edges."""
        places = [self._stem]
        for stage, cells in enumerate(self._stages):
            if stage:
                places.append(self._reductions[stage - 1])
            for cell in cells:
                cell.add_fixed(places, options)
        count = len(options) - options.count(NONE)
        if count not in self._made:
            self._made[count] = self._order("operations", count)
        return self._plan(places, self._made[count])

    @cached_property
    def open(self) -> Plan:
        """The plan in which every edge is a choice."""
        places = [self._stem]
        for stage, cells in enumerate(self._stages):
            places += self._reductions[stage - 1 : stage] if stage else []
            places += (place for cell in cells for place in cell.open(self._edges))
        return self._plan(places, self._order("weighted", len(self._edges)))

    def _plan(self, places: Sequence[Place], made: tuple[str, ...]) -> Plan:
        shape, output = self._sizes.input_shape, self._last[-1].name
        return Plan(shape, (*places, *self._last), output, made=made)

    def _order(self, kind: str, count: int) -> tuple[str, ...]:
        """In which order modules are made: all cells before what stands between the stages."""
        cells = [cell.name for cells in self._stages for cell in cells]
        inside = [f"{cell}.{kind}.{number}" for cell in cells for number in range(count)]
        fixed = [place.name for place in (*self._reductions, *self._last)]
        return (self._stem.name, *inside, *fixed)


class Cell:
    """One cell of a network, which reads `state`; `output` is the name of its last node."""

    def __init__(self, name: str, state: Place) -> None:
        self.name, self._shape = name, state.shape
        self._states = [state.name, *(f"{name}.nodes.{node}" for node in (1, 2, 3))]
        self.output = self._states[-1]
        self._operations: dict[tuple[int, int, str], Place] = {}
        self._sums: dict[tuple[int, int, int], Place] = {}

    def add_fixed(self, places: list[Place], options: Sequence[str]) -> None:
        """Adds all places, with an operation on each edge whose option is not `none`."""
        number = edge = 0
        for target in (1, 2, 3):
            first = number
            for _ in range(target):
                option = options[edge]
                if option != NONE:
                    key = number, edge, option
                    places.append(self._operations.get(key) or self._operation(*key))
                    number += 1
                edge += 1
            span = target, first, number
            places.append(self._sums.get(span) or self._fixed_sum(*span))

    def _operation(self, number: int, edge: int, option: str) -> Place:
        name, read = f"{self.name}.operations.{number}", self._states[PLACES[edge][0]]
        place = Place(
            "layer", name, (read,), self._shape, self._layer(option),
            drop_path=True, cell=self.name,
        )  # fmt: skip
        self._operations[number, edge, option] = place
        return place

    def _fixed_sum(self, target: int, first: int, end: int) -> Place:
        inputs = tuple(f"{self.name}.operations.{number}" for number in range(first, end))
        self._sums[target, first, end] = place = self._sum(target, inputs)
        return place

    def open(self, edges: Sequence[Edge]) -> Iterator[Place]:
        """All places, with every edge as a choice."""
        names = [f"{self.name}.weighted.{number}" for number in range(len(edges))]
        for target in (1, 2, 3):
            into = [number for number, edge in enumerate(edges) if edge.target == target]
            for number in into:
                edge = edges[number]
                options = tuple(None if o == NONE else self._layer(o) for o in edge.options)
                yield Place(
                    "choice", names[number], (self._states[edge.source],), self._shape,
                    choice=edge, options=options, cell=self.name,
                )  # fmt: skip
            yield self._sum(target, tuple(names[number] for number in into))

    def _layer(self, operation: str) -> Layer:
        channels, height, width = self._shape
        return Layer(operation, channels, channels, 1, height, width)

    def _sum(self, target: int, inputs: tuple[str, ...]) -> Place:
        return Place("add", self._states[target], inputs, self._shape, cell=self.name)


def ending(state: Place, classes: int) -> tuple[Place, Place]:
    """What makes logits of the last state: a batch norm with its ReLU, and the classifier."""
    channels, height, width = state.shape
    layer = Layer("norm_relu", channels, channels, 1, height, width)
    norm = _place("last.0", state.name, layer)
    layer = Layer("classifier", channels, classes, 1, height, width)
    return norm, Place("layer", "last.1", (norm.name,), (classes, 1, 1), layer)


def _place(name: str, read: str, layer: Layer) -> Place:
    return Place("layer", name, (read,), layer.shape, layer)
