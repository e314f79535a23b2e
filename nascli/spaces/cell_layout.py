"""Where the layers of the DARTS space stand, and of which shapes they are; imports no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nascli.core.plan import Layer

GROUPS = ("normal", "reduction")
INPUTS = 2  # states that a cell starts from: the outputs of the two cells before it
STEM_MULTIPLIER = 3  # of the CIFAR stem's channels


@dataclass(frozen=True)
class State:
    """What a cell reads or writes: channels, and height and width in pixels."""

    channels: int
    height: int
    width: int

    def halved(self, channels: int) -> State:
        """Half the size, rounded up."""
        return State(channels, -(-self.height // 2), -(-self.width // 2))

    def layer(self, operation: str, channels: int, stride: int) -> Layer:
        """The layer that reads this state and writes `channels`."""
        return Layer(operation, self.channels, channels, stride, self.height, self.width)


@dataclass(frozen=True)
class Place:
    """Where a cell stands: `before` and `previous` are the outputs of the two cells before it."""

    group: str
    channels: int
    before: State
    previous: State

    @property
    def stride(self) -> int:
        """That of the edges which leave the cell's inputs."""
        return 2 if self.group == "reduction" else 1

    @property
    def inputs(self) -> State:
        """Both inputs, preprocessed."""
        return State(self.channels, self.previous.height, self.previous.width)

    @property
    def nodes(self) -> State:
        """Every node of the cell."""
        return self.inputs.halved(self.channels) if self.stride == 2 else self.inputs

    def layer(self, operation: str, source: int) -> Layer:
        """`operation` on an edge that leaves the state `source`."""
        if source < INPUTS:
            return self.inputs.layer(operation, self.channels, self.stride)
        return self.nodes.layer(operation, self.channels, 1)


@dataclass(frozen=True)
class Layout:
    """The network without its genotype; `Cell` says what the numbers mean."""

    input_shape: tuple[int, int, int]
    classes: int
    channels: int
    cells: int
    nodes: int
    auxiliary: bool
    stem: str

    @property
    def image(self) -> State:
        """What the stem reads."""
        return State(*self.input_shape)

    @property
    def reductions(self) -> frozenset[int]:
        """Which cells are reduction cells."""
        return frozenset({self.cells // 3, 2 * self.cells // 3})

    @property
    def groups(self) -> tuple[str, ...]:
        """Which kinds of cell there are."""
        return GROUPS if self.cells > len(self.reductions) else GROUPS[1:]

    def output(self, place: Place) -> State:
        """What a cell writes."""
        return State(self.nodes * place.channels, place.nodes.height, place.nodes.width)

    def places(self) -> Iterator[Place]:
        """The cells, from the first to the last."""
        channels, image = self.channels, self.image
        if self.stem == "cifar":
            before = previous = State(STEM_MULTIPLIER * channels, image.height, image.width)
        else:
            before = image.halved(channels).halved(channels)
            previous = before.halved(channels)
        for index in range(self.cells):
            reduction = index in self.reductions
            channels *= 2 if reduction else 1
            place = Place("reduction" if reduction else "normal", channels, before, previous)
            yield place
            before, previous = previous, self.output(place)

    def candidates(self, operations: Iterable[str]) -> list[Layer]:
        """Every layer that some genotype can make of `operations`, in order."""
        sources = range(INPUTS + self.nodes - 1)
        cases = itertools.product(self.places(), operations, sources)
        return sorted({place.layer(name, source) for place, name, source in cases})


def parts(choices: Mapping[str, str], group: str, nodes: int) -> list[tuple[int, int, str]]:
    """The edges of one kind of cell: (source, target, operation), two a node."""
    edges = []
    for node in range(INPUTS, INPUTS + nodes):
        sources = choices[f"{group}/{node}/inputs"].split("+")
        for source, place in zip(sources, ("first", "second"), strict=True):
            edges.append((int(source), node, choices[f"{group}/{node}/{place}"]))
    return edges
