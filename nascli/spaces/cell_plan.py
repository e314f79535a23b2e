"""Plans of the DARTS space: which layers stand where, of which shapes, and who reads whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nascli.core.choice import NONE, Edge
from nascli.core.plan import IMAGES, Layer, Place, Plan, Shape

GROUPS = ("normal", "reduction")
INPUTS = 2  # states that a cell starts from: the outputs of the two cells before it
STEM_MULTIPLIER = 3  # of the CIFAR stem's channels

Edges = Sequence[tuple[int, str]]
"""Source and operation of both edges into the first node of a cell, into the second, and so on."""


@dataclass(frozen=True)
class Sizes:
    """What a network is besides its genotype; `Cell` says what the numbers mean."""

    input_shape: Shape
    classes: int
    channels: int
    cells: int
    nodes: int
    auxiliary: bool
    stem: str

    @property
    def reductions(self) -> frozenset[int]:
        """Which cells are reduction cells."""
        return frozenset({self.cells // 3, 2 * self.cells // 3})

    @property
    def groups(self) -> tuple[str, ...]:
        """Which kinds of cell there are."""
        return GROUPS if self.cells > len(self.reductions) else GROUPS[1:]


class Plans:
    """The plans of all genotypes at one depth; every place is made once and remembered.

    `edges` are the choices of the open plan, of both kinds of cell.
    """

    def __init__(self, sizes: Sizes, edges: Sequence[Edge]) -> None:
        self._sizes, self._edges = sizes, tuple(edges)
        self._stems = tuple(_stems(sizes))
        self._blocks: list[_Block] = []
        before, previous, channels = self._stems[0], self._stems[-1], sizes.channels
        for number in range(sizes.cells):
            group = GROUPS[number in sizes.reductions]
            channels *= 2 if group == "reduction" else 1
            self._blocks.append(_Block(number, group, channels, before, previous, sizes.nodes))
            before, previous = previous, self._blocks[-1].output
        self._classifier = _head("classifier", "classifier", previous, sizes.classes)
        self._auxiliary: Place | None = None
        if sizes.auxiliary:
            read = self._blocks[max(sizes.reductions)].output
            setting = ("imagenet", sizes.stem == "imagenet")
            self._auxiliary = _head("auxiliary", "auxiliary_head", read, sizes.classes, setting)
        self._heads = [place for place in (self._classifier, self._auxiliary) if place is not None]
        inside = [block.operations for block in self._blocks]
        self._made = self._order(inside, [place.name for place in self._heads])

    def fixed(self, chosen: Mapping[str, Edges]) -> Plan:
        """The plan of the network whose cells are `chosen`: kind of cell -> its edges."""
        places, auxiliary = [*self._stems], self._auxiliary
        for block in self._blocks:
            places += block.fixed(chosen[block.group])
            if auxiliary is not None and auxiliary.inputs[0] == block.output.name:
                places.append(auxiliary)
        places.append(self._classifier)
        shape, output = self._sizes.input_shape, self._classifier.name
        second = None if auxiliary is None else auxiliary.name
        return Plan(shape, tuple(places), output, second, self._made)

    @cached_property
    def open(self) -> Plan:
        """The plan in which every edge is a choice; without the auxiliary head."""
        cells = [list(block.open(self._edges)) for block in self._blocks]
        inside = [[p.name for p in places if p.kind == "choice"] for places in cells]
        places = [*self._stems, *(p for cell in cells for p in cell), self._classifier]
        shape, output = self._sizes.input_shape, self._classifier.name
        made = self._order(inside, [output])
        return Plan(shape, tuple(places), output, made=made, decided=self._edges)

    def _order(self, inside: Sequence[Sequence[str]], heads: Sequence[str]) -> tuple[str, ...]:
        """In which order modules are made: what is inside a cell before its preprocessing."""
        names = [stem.name for stem in self._stems]
        for block, operations in zip(self._blocks, inside, strict=True):
            names += [*operations, *(place.name for place in block.preprocess)]
        return (*names, *heads)


class _Block:
    """One cell of a network: both inputs preprocessed, the graph over them, its nodes joined."""

    def __init__(
        self, number: int, group: str, channels: int, before: Place, previous: Place, nodes: int
    ) -> None:
        name, self.group = f"blocks.{number}", group
        self._graph, self._channels = f"{name}.graph", channels
        self.preprocess = tuple(
            _preprocess(f"{name}.preprocess.{which}", state, previous, channels)
            for which, state in enumerate((before, previous))
        )
        self._inputs = self.preprocess[0].shape
        self._stride = 2 if group == "reduction" else 1  # of edges which leave the cell's inputs
        self._shape = self._layer("", 0).shape  # of every node
        targets = range(INPUTS, INPUTS + nodes)
        self._states = [place.name for place in self.preprocess]
        self._states += [f"{self._graph}.nodes.{target}" for target in targets]
        self.operations = [f"{self._graph}.operations.{slot}" for slot in range(2 * nodes)]
        self._sums = [
            self._sum(target, self.operations[2 * node : 2 * node + 2])
            for node, target in enumerate(targets)
        ]
        joined = (nodes * channels, *self._shape[1:])
        self.output = Place("concatenate", name, tuple(self._states[INPUTS:]), joined)
        self._known: dict[tuple[int, tuple[int, str]], Place] = {}

    def fixed(self, edges: Edges) -> list[Place]:
        """All places, with an operation on each of the edges."""
        places, known = [*self.preprocess], self._known
        for slot, edge in enumerate(edges):
            place = known.get((slot, edge))
            if place is None:
                place = known[slot, edge] = self._operation(slot, *edge)
            places.append(place)
            if slot % 2:
                places.append(self._sums[slot // 2])
        places.append(self.output)
        return places

    def open(self, edges: Sequence[Edge]) -> Iterator[Place]:
        """All places, with every edge of the cell's kind as a choice."""
        yield from self.preprocess
        own = [edge for edge in edges if edge.group == self.group]
        names = [f"{self._graph}.weighted.{number}" for number in range(len(own))]
        for target in range(INPUTS, len(self._states)):
            into = [number for number, edge in enumerate(own) if edge.target == target]
            for number in into:
                edge, name = own[number], names[number]
                read = (self._states[edge.source],)
                options = tuple(
                    None if option == NONE else self._layer(option, edge.source)
                    for option in edge.options
                )
                yield Place(
                    "choice", name, read, self._shape,
                    choice=edge, options=options, cell=self._graph,
                )  # fmt: skip
            yield self._sum(target, [names[number] for number in into], keep=2)
        yield self.output

    def _operation(self, slot: int, source: int, operation: str) -> Place:
        name, read = self.operations[slot], (self._states[source],)
        layer = self._layer(operation, source)
        return Place(
            "layer", name, read, self._shape, layer=layer, drop_path=True, cell=self._graph
        )

    def _layer(self, operation: str, source: int) -> Layer:
        """`operation` on an edge that leaves the state `source`."""
        channels = self._channels
        if source < INPUTS:
            return Layer(operation, channels, channels, self._stride, *self._inputs[1:])
        return Layer(operation, channels, channels, 1, *self._shape[1:])

    def _sum(self, target: int, inputs: Sequence[str], keep: int | None = None) -> Place:
        name, read = self._states[target], tuple(inputs)
        return Place("add", name, read, self._shape, keep=keep, cell=self._graph)


def _stems(sizes: Sizes) -> Iterator[Place]:
    """What comes before the first cell, in the order of use."""
    images, height, width = sizes.input_shape
    channels, out = sizes.channels, STEM_MULTIPLIER * sizes.channels
    if sizes.stem == "cifar":
        yield _place("stems.0", IMAGES, Layer("stem", images, out, 1, height, width))
        return
    # Two convolutions at stride 2 each: rounded up twice is rounded up once.
    first = Layer("stem0", images, channels, 4, height, width)
    yield _place("stems.0", IMAGES, first)
    yield _place("stems.1", "stems.0", Layer("stem1", channels, channels, 2, *first.shape[1:]))


def _preprocess(name: str, state: Place, previous: Place, channels: int) -> Place:
    """What brings an input of a cell to its channels, and to the size of the cell before it."""
    into, height, width = state.shape
    stride = 1 if state.shape[1:] == previous.shape[1:] else 2
    return _place(name, state.name, Layer("preprocess", into, channels, stride, height, width))


def _head(
    name: str, operation: str, state: Place, classes: int, *settings: tuple[str, bool]
) -> Place:
    channels, height, width = state.shape
    layer = Layer(operation, channels, classes, 1, height, width, settings)
    return Place("layer", name, (state.name,), (classes, 1, 1), layer)


def _place(name: str, read: str, layer: Layer) -> Place:
    return Place("layer", name, (read,), layer.shape, layer)
