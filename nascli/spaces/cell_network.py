"""The network of the DARTS space, fixed by a genotype or mixed over all options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.choice import NONE, Edge
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.space import SearchSpace, check
from nascli.core.supernet import Mixture
from nascli.networks.fixed import AuxiliaryHead, Classifier, Stem
from nascli.operations.blocks import Normed, ReluFirst
from nascli.operations.convolution import ReluConvNorm
from nascli.operations.parts import build, builders, built
from nascli.operations.skip import FactorizedReduction
from nascli.spaces.cell_layout import GROUPS, INPUTS, STEM_MULTIPLIER, Layout, Place, State, parts
from nascli.supernet.graph import FixedGraph, MixedGraph, Weights
from nascli.supernet.partial import check_partial, replaced, thinned
from nascli.supernet.paths import path

if TYPE_CHECKING:
    from nascli.operations import Factory
    from nascli.operations.parts import Builder, Part

    Factories = Mapping[str, Factory]

Reading = float | Weights
"""How a graph is read: the chance to drop an edge of a fixed one, or the weights of a mixed one."""


def stems(layout: Layout) -> tuple[Part, ...]:
    """What comes before the first cell, in the order of use."""
    image, channels = layout.image, layout.channels
    if layout.stem == "cifar":
        out = STEM_MULTIPLIER * channels
        return ((image.layer("stem", out, 1), partial(Stem, (image.channels, out), (1,))),)
    quarter = image.halved(channels).halved(channels)
    steps = (image.channels, channels // 2, channels)
    return (
        (image.layer("stem0", channels, 4), partial(Stem, steps, (2, 2))),
        (
            quarter.layer("stem1", channels, 2),
            partial(Stem, (channels, channels), (2,), relu_first=True),
        ),
    )


def preprocesses(place: Place, *, shared: bool) -> tuple[Part, Part]:
    """What brings both inputs of a cell to its channels, and the first to the second's size."""

    def part(state: State) -> Part:
        into, out = state.channels, place.channels
        if state.height == place.previous.height and state.width == place.previous.width:
            return state.layer("preprocess", out, 1), partial(ReluConvNorm, into, out, 1, shared)
        return state.layer("preprocess", out, 2), partial(FactorizedReduction, into, out, shared)

    return part(place.before), part(place.previous)


def classifier(layout: Layout) -> Part:
    """The last layer."""
    *_, last = layout.places()
    state, classes = layout.output(last), layout.classes
    return state.layer("classifier", classes, 1), partial(Classifier, state.channels, classes)


def layers(layout: Layout, factories: Factories) -> dict[Layer, Builder]:
    """Every tagged layer that some network contains -> what builds it, in eval mode."""
    fixed = [*stems(layout), classifier(layout)]
    for place in layout.places():
        fixed += preprocesses(place, shared=False)
    names = tuple(name for name in factories if name != NONE)
    return builders(factories, fixed, layout.candidates(names))


class Block(nn.Module):
    """One cell: both inputs preprocessed, the graph over them, its nodes concatenated."""

    def __init__(self, place: Place, graph: nn.Module, *, shared: bool) -> None:
        super().__init__()
        self.preprocess = nn.ModuleList(map(built, preprocesses(place, shared=shared)))
        self.graph = graph

    def forward(self, before: Tensor, previous: Tensor, reading: Reading) -> Tensor:
        """(B, C, H, W) twice -> (B, nodes * channels, H', W')."""
        inputs = [step(s) for step, s in zip(self.preprocess, (before, previous), strict=True)]
        return self._joined(inputs, reading)

    def after_relu(self, before: Tensor, previous: Tensor, reading: Reading) -> Tensor:
        """The steps after the ReLU of both inputs, with which their preprocessing begins."""
        steps = (cast(ReluFirst, step) for step in self.preprocess)
        pairs = zip(steps, (before, previous), strict=True)
        return self._joined([step.after_relu(state) for step, state in pairs], reading)

    def _joined(self, inputs: list[Tensor], reading: Reading) -> Tensor:
        return torch.cat(self.graph(inputs, reading)[INPUTS:], dim=1)


class Skeleton(nn.Module):
    """Stem, cells and classifier; `graph` makes what a cell computes."""

    def __init__(
        self, layout: Layout, graph: Callable[[Place], nn.Module], *, shared: bool
    ) -> None:
        super().__init__()
        self.stems = nn.ModuleList(map(built, stems(layout)))
        self.blocks = nn.ModuleList(
            Block(place, graph(place), shared=shared) for place in layout.places()
        )
        self.classifier = built(classifier(layout))

    def entering(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) -> both inputs of the first cell."""
        before = previous = self.stems[0](images)
        for stem in list(self.stems)[1:]:
            before, previous = previous, stem(previous)
        return before, previous


class CellNetwork(Skeleton):
    """The network of one genotype; see `Cell.network`."""

    def __init__(self, layout: Layout, factories: Factories, genotype: Genotype) -> None:
        choices = genotype.choices
        chosen = {group: parts(choices, group, layout.nodes) for group in GROUPS}

        def graph(place: Place) -> FixedGraph:
            edges = [
                (source, target, build(factories, place.layer(operation, source)))
                for source, target, operation in chosen[place.group]
            ]
            return FixedGraph(INPUTS + layout.nodes, edges, place.stride)

        super().__init__(layout, graph, shared=False)
        self.drop_path = 0.0
        self.auxiliary_after = max(layout.reductions)
        self.auxiliary = self._head(layout) if layout.auxiliary else None

    def _head(self, layout: Layout) -> AuxiliaryHead:
        state = layout.output(list(layout.places())[self.auxiliary_after])
        size, imagenet = (state.height, state.width), layout.stem == "imagenet"
        return AuxiliaryHead(state.channels, layout.classes, size, imagenet=imagenet)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Images (B, C, H, W) -> logits; with them the auxiliary head's, if it is training."""
        extra = None
        before, state = self.entering(images)
        for index, block in enumerate(self.blocks):
            before, state = state, block(before, state, self.drop_path)
            if self.auxiliary is not None and self.training and index == self.auxiliary_after:
                extra = self.auxiliary(state)
        logits: Tensor = self.classifier(state)
        return logits if extra is None else (logits, extra)


class CellSupernet(Skeleton):
    """All networks of the space in one (see `core.supernet.Supernet`).

    As published, the cells' batch norms have no scale and shift, and one follows each pool.
    """

    def __init__(self, space: SearchSpace, layout: Layout, factories: Factories) -> None:
        self.space = space
        self.layout = layout
        self.factories = factories
        self.edges = tuple(_edges(layout.nodes, tuple(factories)))
        self.partial_channels = 1
        super().__init__(layout, self._graph, shared=True)

    def _graph(self, place: Place) -> MixedGraph:
        rows = [row for row, edge in enumerate(self.edges) if edge.group == place.group]
        k = self.partial_channels
        make = partial(_option, self.factories, place, k)
        return MixedGraph([self.edges[row] for row in rows], rows, make, place.stride, k)

    def set_partial_channels(self, k: int) -> None:
        """Options work on one channel in `k` (see `supernet.partial`); parameters are replaced.

        Raises:
            Fault: `k` does not divide the channels.
        """
        check_partial(k, (place.channels for place in self.layout.places()))
        before, self.partial_channels = self.partial_channels, k
        for place, block in zip(self.layout.places(), self.blocks, strict=True):
            if k != before:
                block.graph = replaced(
                    cast(nn.Module, block.graph), self._graph(place), wider=k < before
                )

    def layers(self, edge: Edge, option: str) -> Sequence[Layer]:
        """What `option` at `edge` consists of over all cells; nothing for `none`."""
        places = [place for place in self.layout.places() if place.group == edge.group]
        return [place.layer(option, edge.source) for place in places if option != NONE]

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes).

        Both cells that read a state share its ReLU, which takes the state's place.
        """
        weights = Weights(mixture, self.edges)
        first, second = self.entering(images)
        state = F.relu(second)
        before = state if first is second else F.relu(first)
        for number, block in enumerate(self.blocks):
            before, state = state, cast(Block, block).after_relu(before, state, weights)
            if number + 1 < len(self.blocks):
                state = F.relu(state, inplace=True)
        logits: Tensor = self.classifier(state)
        return logits

    def path(self, genotype: Genotype) -> Mixture:
        """The mixture that evaluates `genotype` alone."""
        choices = check(self.space, genotype).choices
        chosen = {
            f"{group}/{target}<-{source}": operation
            for group in GROUPS
            for source, target, operation in parts(choices, group, self.layout.nodes)
        }
        return path(self.edges, chosen, next(self.parameters()))

    def derive(self, strengths: Tensor) -> Genotype:
        """The published rule (section 2.4): the two inputs whose best operation is strongest.

        `strengths` is (edges, options). `none` never counts; of equals, the first is taken.
        """
        best: dict[tuple[str, int], list[tuple[float, int, str]]] = {}
        for edge, row in zip(self.edges, strengths.tolist(), strict=True):
            pairs = [pair for pair in zip(row, edge.options, strict=False) if pair[1] != NONE]
            strength, option = max(pairs, key=lambda pair: pair[0])
            best.setdefault((edge.group, edge.target), []).append((strength, edge.source, option))
        choices = {}
        for (group, node), inputs in best.items():
            strongest = sorted(inputs, key=lambda entry: -entry[0])[:2]
            (_, low, first), (_, high, second) = sorted(strongest, key=lambda entry: entry[1])
            choices[f"{group}/{node}/inputs"] = f"{low}+{high}"
            choices[f"{group}/{node}/first"] = first
            choices[f"{group}/{node}/second"] = second
        return check(self.space, Genotype.of(self.space.name, choices))


def _edges(nodes: int, options: tuple[str, ...]) -> Iterator[Edge]:
    for group in GROUPS:
        for target in range(INPUTS, INPUTS + nodes):
            for source in range(target):
                yield Edge(f"{group}/{target}<-{source}", group, options, source, target)


def _option(factories: Factories, place: Place, k: int, operation: str, source: int) -> nn.Module:
    layer = thinned(place.layer(operation, source), k)
    module = build(factories, layer, shared=True)
    if isinstance(module, nn.Identity) or next(module.parameters(), None) is not None:
        return module
    return Normed(module, layer.out_channels)
