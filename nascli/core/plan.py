"""A plan: a network as data, its layers in the order of computing and who reads whom; no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from nascli.core.choice import Choice

Shape = tuple[int, int, int]
"""Channels, height and width (pixels) of what one image has become."""

Setting = str | int | float | bool
Kind = Literal["layer", "choice", "add", "concatenate", "select"]

IMAGES = "images"
"""What the first layer reads."""


@dataclass(frozen=True, order=True, slots=True)
class Layer:
    """An operation with its shapes: what a latency table has a row for.

    `height` and `width` are those of its input, in pixels; its output has ceil(size / stride), or
    what the settings `to_height` and `to_width` say. `settings` are (key, value) pairs, sorted, of
    what else a builder must know of it.
    """

    operation: str
    in_channels: int
    out_channels: int
    stride: int
    height: int
    width: int
    settings: tuple[tuple[str, Setting], ...] = ()

    @property
    def shape(self) -> Shape:
        """That of its output, where it is an image; logits are (classes, 1, 1)."""
        height, width = -(-self.height // self.stride), -(-self.width // self.stride)
        if self.settings:
            given = dict(self.settings)
            height, width = int(given.get("to_height", height)), int(given.get("to_width", width))
        return self.out_channels, height, width


class When(NamedTuple):
    """Where a place is in a network: where `choice` takes an option of one of these `numbers`."""

    choice: Choice
    numbers: frozenset[int]


class Place(NamedTuple):
    """One place of a plan: what is computed there, and from what.

    - "layer": `layer` of the one input;
    - "choice": one of `options` (a layer for every option of `choice`; None where nothing flows)
      of the one input;
    - "add": the inputs summed up from the first to the last; zeros without any, and with a single
      one that tensor itself, as is the result of a layer that does nothing;
    - "concatenate": the inputs side by side, in order;
    - "select": of the inputs, one for every option of `choice`, that of the option taken. An open
      plan has it where depths are decided.

    `name` is the path of the place's module in the network, and its result goes by that name.
    `shape` is that of the result. `drop_path` marks a layer that drop-path may leave out while it
    trains. `keep` says of an addition in an open plan how many of its inputs a genotype keeps
    (None: all of them). `cell` names the instance of a cell that the place is in, "" for none: the
    names of its places begin with it, they follow each other, and where choices are among them they
    make one graph of states: choices, and additions of choices. `when` says in an open plan which
    networks have the place, where not all do; what it reads may not be there in others.
    """

    kind: Kind
    name: str
    inputs: tuple[str, ...]
    shape: Shape
    layer: Layer | None = None
    choice: Choice | None = None
    options: tuple[Layer | None, ...] = ()
    drop_path: bool = False
    keep: int | None = None
    cell: str = ""
    when: When | None = None

    def there(self, taken: Mapping[str, str]) -> bool:
        """Whether the network has it that takes `taken`: name of a choice -> option."""
        if self.when is None:
            return True
        choice, numbers = self.when
        return choice.options.index(taken[choice.name]) in numbers


@dataclass(frozen=True)
class Plan:
    """The places of a network in the order of computing; every input comes before its readers.

    It is open if places of it are choices: then it describes all networks of a space at once.

    Args:
        input_shape: of one image.
        places: every place.
        output: the place that gives the logits.
        auxiliary: the place of a second head, which only runs in training mode, or None. It is in
            `places` and in no sum of costs.
        made: the names of the layers (in an open plan, of the choices too) in the order in which
            modules draw their first weights, where that is not the order of computing.
        decided: the choices of the space in order, where some have no place in its networks (a kind
            of cell that networks of this depth do not contain).
    """

    input_shape: Shape
    places: tuple[Place, ...]
    output: str
    auxiliary: str | None = None
    made: tuple[str, ...] = ()
    decided: tuple[Choice, ...] = ()

    def layers(self, when: When | None = None) -> Iterator[Layer]:
        """The layers that an evaluation runs, in order, repeats included; those of no choice.

        Of an open plan, those that every network has, or that are there under a condition alone.
        """
        for place in self.places:
            if place.layer is not None and place.when == when and place.name != self.auxiliary:
                yield place.layer

    def candidates(self) -> list[Layer]:
        """Every layer that some network contains, sorted: the fixed ones and all options."""
        found = {layer for when in (None, *self.conditions) for layer in self.layers(when)}
        for place in self.places:
            found.update(layer for layer in place.options if layer is not None)
        return sorted(found)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The choices, each once: as `decided` has them, or in the order of their first places."""
        placed = (place.choice for place in self.places if place.choice is not None)
        return self.decided or tuple(dict.fromkeys(placed))

    @cached_property
    def conditions(self) -> tuple[When, ...]:
        """What places are only there under, each once; empty where every network has all places."""
        return tuple(dict.fromkeys(p.when for p in self.places if p.when is not None))

    def __deepcopy__(self, _memo: object) -> Plan:
        return self

    @cached_property
    def by_choice(self) -> Mapping[Choice, tuple[Place, ...]]:
        """Choice -> its places, one in every cell that shares it; none, if no cell does.

        A choice that selects has none: where its options count is what `when` says.
        """
        found: dict[Choice, list[Place]] = {choice: [] for choice in self.choices}
        for place in self.places:
            if place.choice is not None and place.kind == "choice":
                found[place.choice].append(place)
        return {choice: tuple(places) for choice, places in found.items()}


def spent(places: Sequence[Place], kept: Collection[str | None]) -> list[tuple[str, ...]]:
    """For every place, the results that can go once it is computed: no later place reads them.

    A result goes with its last reader, or at once if it has none; those named in `kept` stay.
    """
    last: dict[str, int] = {}
    for number, place in enumerate(places):
        last.update(dict.fromkeys((place.name, *place.inputs), number))
    found: list[list[str]] = [[] for _ in places]
    for name, number in last.items():
        if name not in kept:
            found[number].append(name)
    return [tuple(names) for names in found]
