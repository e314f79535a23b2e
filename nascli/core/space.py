"""Search spaces and the moves in them, written once over `decisions`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from nascli.core.choice import NONE, Choice
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from nascli.core.supernet import Shrinking, Supernet


@runtime_checkable
class SearchSpace(Protocol):
    """A set of networks: every combination of options is a valid one, by construction."""

    name: str

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Decision -> its options, in a fixed order."""

    def network(self, genotype: Genotype) -> nn.Module:
        """The network that `genotype` describes: images (B, C, H, W) -> logits (B, classes).

        Its modules that a latency table knows carry the attribute `operation` (a name), with
        `in_channels`, `out_channels` and `stride`.
        """

    def canonical(self, genotype: Genotype) -> Genotype:
        """One representative for all genotypes that compute the same function."""

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every layer that some network of the space contains, each with how to build it."""

    def describe(self, genotype: Genotype) -> str:
        """A few lines (at most 100 columns) that a person reads at a glance."""


@runtime_checkable
class Planned(SearchSpace, Protocol):
    """A space that says as data what its networks are; none of this needs torch."""

    def plan(self, genotype: Genotype | None = None) -> Plan:
        """The plan of the network of `genotype`, or the open one, of all networks at once.

        Raises:
            Fault: `genotype` is not of the space; or there is no open plan, because sizes are
                decided too.
        """

    def taken(self, genotype: Genotype) -> Mapping[str, str]:
        """Name of a choice of the open plan -> the option that `genotype` takes.

        Choices that it leaves out, such as an edge that no node keeps, are not in it. Where the
        choices are the decisions, this is `genotype.choices`.
        """


@runtime_checkable
class Knowing(Planned, Protocol):
    """A space that knows networks besides those it searches: published ones of other sizes."""

    def known(self, genotype: Genotype) -> Genotype:
        """`genotype` with its decisions in order; `plan`, `network` and `describe` take it.

        Raises:
            Fault: it describes no network that the space knows.
        """


@runtime_checkable
class Derivable(Planned, Protocol):
    """A space that turns how strong every option is into a genotype."""

    def derive(self, strengths: Sequence[Sequence[float]]) -> Genotype:
        """The genotype that `strengths` prefer: a row for every choice of the open plan, in order.

        A row has a number for every option, and may have more. Where the choices are the
        decisions, `strongest` does it.
        """


@runtime_checkable
class Scalable(Knowing, Protocol):
    """A space whose genotypes say how wide and how deep their networks are."""

    def scaled(
        self, genotype: Genotype, width: float, depth: float, step: int, layers: str = "up"
    ) -> Genotype:
        """`genotype` with `width` times the channels, rounded to multiples of `step`.

        It has `depth` times the layers of every stage, rounded by the rule `layers` (see
        `core.channels.deeper`), which is only given if it is not the usual one.
        """


@runtime_checkable
class Resizable(Planned, Protocol):
    """A space whose settings say how wide and how deep its networks are."""

    def resized(
        self, genotype: Genotype, width: float, depth: float, step: int, layers: str = "up"
    ) -> tuple[Mapping[str, Any], Genotype]:
        """Settings of a wider and deeper space, and the genotype there that is like this one.

        Channels are `width` times as many, rounded to multiples of `step`; repeated layers `depth`
        times as many, rounded by the rule `layers` as in `Scalable.scaled`.
        """


@runtime_checkable
class Shrinkable(Planned, Protocol):
    """A space whose decisions are sizes: every network is a part of the largest one.

    A plan is a chain of layers, and a layer at one place differs from another there in channels and
    in the side of a depthwise kernel only.
    """

    kernel_transforms: bool
    """Whether smaller kernels are learnt functions of the larger ones; else their middle."""

    @property
    def shrinking(self) -> Sequence[Shrinking]:
        """The order in which smaller sizes are let in (see `core.supernet.Elastic`)."""

    def build(self, layer: Layer) -> nn.Module:
        """The module of a layer of some network."""


@runtime_checkable
class Relaxable(SearchSpace, Protocol):
    """A space with a supernet: all its networks in one, with shared weights."""

    def supernet(self) -> Supernet:
        """A new supernet, randomly initialised."""


@runtime_checkable
class Deepens(Relaxable, Protocol):
    """A space whose supernet can be shallower or deeper than its networks."""

    def supernet_at(self, depth: float) -> Supernet:
        """A new supernet, randomly initialised, with `depth` times the networks' depth."""


def strongest(
    space: str, choices: Sequence[Choice], strengths: Sequence[Sequence[float]]
) -> Genotype:
    """The genotype of `space` with the strongest option of every choice; of equals, the first.

    `none` counts only where nothing else has any strength: as in DARTS (Liu et al., 2019, section
    2.4), its strength does not compare, for it only scales what batch norms behind it scale back.
    """
    taken = {}
    for choice, row in zip(choices, strengths, strict=True):
        pairs = list(zip(row, choice.options, strict=False))
        real = [pair for pair in pairs if pair[1] != NONE and pair[0] > 0] or pairs
        taken[choice.name] = max(real, key=lambda pair: pair[0])[1]
    return Genotype.of(space, taken)


def ends(space: Shrinkable) -> tuple[Genotype, Genotype]:
    """The networks with the smallest and with the largest of every size."""
    sizes = space.shrinking[-1].options
    smallest, largest = ({k: o[end] for k, o in sizes.items()} for end in (-1, 0))
    return Genotype.of(space.name, smallest), Genotype.of(space.name, largest)


def size(space: SearchSpace) -> int:
    """How many genotypes the space has (equivalent ones counted apart)."""
    return math.prod(len(options) for options in space.decisions.values())


def check(space: SearchSpace, genotype: Genotype) -> Genotype:
    """`genotype` with its decisions in the space's order.

    Raises:
        Fault: it is of another space, lacks a decision, has one too many, or an unknown option.
    """
    if genotype.space != space.name:
        raise Fault(f"the genotype is of space '{genotype.space}', not of space '{space.name}'")
    choices, decisions = genotype.choices, space.decisions
    taken = tuple(map(choices.get, decisions))
    fits = len(choices) == len(decisions)
    if not fits or any(t not in o for t, o in zip(taken, decisions.values(), strict=True)):
        raise Fault("\n".join(_wrong(space, choices)))
    return Genotype(space.name, tuple(decisions), cast(tuple[str, ...], taken))


def _wrong(space: SearchSpace, choices: Mapping[str, str]) -> Iterator[str]:
    """Everything that keeps `choices` from being a genotype of the space."""
    decisions = space.decisions
    for decision in choices:
        if decision not in decisions:
            yield unknown(f"decision of space {space.name}", decision, decisions)
    missing = [decision for decision in decisions if decision not in choices]
    if missing:
        yield f"the genotype does not say what to take at {', '.join(missing)}"
    for decision, options in decisions.items():
        if decision in choices and choices[decision] not in options:
            yield unknown(f"option of {decision}", choices[decision], options)


def known(space: SearchSpace, genotype: Genotype) -> Genotype:
    """`genotype` with its decisions in order, be it one of those that the space searches or not.

    Raises:
        Fault: the space does not know its network.
    """
    return space.known(genotype) if isinstance(space, Knowing) else check(space, genotype)


def open_plan(space: SearchSpace) -> Plan | None:
    """The plan of all networks at once; None where there is none."""
    if not isinstance(space, Planned):
        return None
    try:
        return space.plan()
    except Fault:
        return None


def at(space: SearchSpace, index: int) -> Genotype:
    """The genotype number `index` (mixed radix over the decisions, the last one fastest)."""
    decisions = space.decisions
    options: list[str] = []
    for allowed in reversed(tuple(decisions.values())):
        index, digit = divmod(index, len(allowed))
        options.append(allowed[digit])
    if index:
        raise IndexError("the space has fewer genotypes")
    return Genotype(space.name, tuple(decisions), tuple(reversed(options)))


def sample(space: SearchSpace, rng: random.Random) -> Genotype:
    """A genotype drawn uniformly."""
    decisions = space.decisions
    choose = rng.choice
    return Genotype(space.name, tuple(decisions), tuple(choose(o) for o in decisions.values()))


def mutate(space: SearchSpace, genotype: Genotype, rng: random.Random) -> Genotype:
    """`genotype` with one decision, drawn uniformly among those with a choice, changed.

    In a space of one genotype it is that one.
    """
    free = [(i, o) for i, o in enumerate(space.decisions.values()) if len(o) > 1]
    if not free:
        return genotype
    index, allowed = rng.choice(free)
    option = rng.choice([o for o in allowed if o != genotype.options[index]])
    options = (*genotype.options[:index], option, *genotype.options[index + 1 :])
    return Genotype(genotype.space, genotype.decisions, options)


def neighbours(space: SearchSpace, genotype: Genotype) -> Iterator[Genotype]:
    """Every genotype that differs from `genotype` in exactly one decision."""
    for index, allowed in enumerate(space.decisions.values()):
        before, after = genotype.options[:index], genotype.options[index + 1 :]
        for option in allowed:
            if option != genotype.options[index]:
                yield Genotype(genotype.space, genotype.decisions, (*before, option, *after))


def crossover(first: Genotype, second: Genotype, rng: random.Random) -> Genotype:
    """Each decision from one parent or the other, with equal chance (uniform crossover)."""
    pairs = zip(first.options, second.options, strict=True)
    return Genotype(first.space, first.decisions, tuple(p[rng.random() < 0.5] for p in pairs))


def one_hot(space: SearchSpace, genotype: Genotype) -> NDArray[np.float64]:
    """The genotype as a 0/1 vector, one place per option of every decision."""
    import numpy as np

    pairs = zip(space.decisions.values(), genotype.options, strict=True)
    return np.array([float(o == chosen) for allowed, chosen in pairs for o in allowed])
