"""The network of NAS-Bench-201, fixed by a genotype or mixed over all options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from nascli.core.choice import NONE, Edge
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.space import SearchSpace, check
from nascli.core.supernet import Mixture
from nascli.genotypes.nasbench201 import EDGES, PLACES
from nascli.networks.fixed import Classifier, NormRelu, ResidualReduction, Stem
from nascli.operations.parts import build, builders, built
from nascli.supernet.graph import FixedGraph, MixedGraph, Weights
from nascli.supernet.partial import check_partial, replaced, thinned
from nascli.supernet.paths import path

if TYPE_CHECKING:
    from nascli.operations import Factory
    from nascli.operations.parts import Builder, Part

_STATES = 4
_STAGES = 3


@dataclass(frozen=True)
class Layout:
    """Shapes: of the images (channels, height, width), and of the network."""

    input_shape: tuple[int, int, int]
    classes: int
    channels: int
    cells_per_stage: int

    def layer(self, operation: str, stage: int) -> Layer:
        """`operation` on any edge of a cell of that stage: none changes the shape."""
        _, height, width = self.input_shape
        halved = -(-height >> stage), -(-width >> stage)  # rounded up each time
        channels = self.channels << stage
        return Layer(operation, channels, channels, 1, *halved)

    def stem(self) -> Part:
        """What comes before the first cell."""
        images, height, width = self.input_shape
        part = Layer("stem", images, self.channels, 1, height, width)
        return part, partial(Stem, (images, self.channels), (1,))

    def reductions(self) -> Iterator[Part]:
        """What comes between two stages."""
        for stage in range(_STAGES - 1):
            like = self.layer("residual_reduction", stage)
            part = replace(like, out_channels=2 * like.out_channels, stride=2)
            yield part, partial(ResidualReduction, part.in_channels, part.out_channels)

    def last(self) -> tuple[Part, Part]:
        """What comes after the last cell."""
        norm = self.layer("norm_relu", _STAGES - 1)
        channels = norm.out_channels
        classifier = replace(norm, operation="classifier", out_channels=self.classes)
        return (
            (norm, partial(NormRelu, channels)),
            (classifier, partial(Classifier, channels, self.classes)),
        )


class Skeleton(nn.Module):
    """Stem, three stages of cells, last layers; `graph` makes a cell of a stage."""

    def __init__(self, layout: Layout, graph: Callable[[int], nn.Module]) -> None:
        super().__init__()
        cells = range(layout.cells_per_stage)
        self.stem = built(layout.stem())
        self.stages = nn.ModuleList(
            nn.ModuleList(graph(stage) for _ in cells) for stage in range(_STAGES)
        )
        self.reductions = nn.ModuleList(map(built, layout.reductions()))
        self.last = nn.Sequential(*map(built, layout.last()))

    def logits(self, images: Tensor, reading: float | Weights) -> Tensor:
        """Images (B, C, H, W) -> (B, classes)."""
        state = self.stem(images)
        for number, cells in enumerate(self.stages):
            if number:
                state = self.reductions[number - 1](state)
            for cell in cast(nn.ModuleList, cells):
                state = cell([state], reading)[-1]
        logits: Tensor = self.last(state)
        return logits


class NASBench201Network(Skeleton):
    """The network of one genotype; see `NASBench201.network`."""

    def __init__(
        self, layout: Layout, factories: Mapping[str, Factory], options: Sequence[str]
    ) -> None:
        def graph(stage: int) -> FixedGraph:
            edges = [
                (source, target, build(factories, layout.layer(operation, stage)))
                for (source, target), operation in zip(PLACES, options, strict=True)
                if operation != NONE
            ]
            return FixedGraph(_STATES, edges)

        super().__init__(layout, graph)
        self.drop_path = 0.0

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes)."""
        return self.logits(images, self.drop_path)


class NASBench201Supernet(Skeleton):
    """All networks of the space in one (see `core.supernet.Supernet`).

    As published, batch norms of the cells have no scale and shift, and none follows a pool.
    """

    def __init__(
        self, space: SearchSpace, layout: Layout, factories: Mapping[str, Factory]
    ) -> None:
        self.space = space
        self.layout = layout
        self.factories = factories
        self.edges = tuple(
            Edge(name, "cell", tuple(factories), *place)
            for name, place in zip(EDGES, PLACES, strict=True)
        )
        self.partial_channels = 1
        super().__init__(layout, self._graph)

    def _graph(self, stage: int) -> MixedGraph:
        k = self.partial_channels

        def make(operation: str, _source: int) -> nn.Module:
            layer = thinned(self.layout.layer(operation, stage), k)
            return build(self.factories, layer, shared=True)

        return MixedGraph(self.edges, range(len(self.edges)), make, partial=k)

    def set_partial_channels(self, k: int) -> None:
        """Options work on one channel in `k` (see `supernet.partial`); parameters are replaced.

        Raises:
            Fault: `k` does not divide the channels.
        """
        check_partial(k, (self.layout.channels << stage for stage in range(_STAGES)))
        before, self.partial_channels = self.partial_channels, k
        for stage, cells in enumerate(self.stages):
            cells = cast(nn.ModuleList, cells)
            for number, cell in enumerate(cells):
                if k != before:
                    cells[number] = replaced(cell, self._graph(stage), wider=k < before)

    def layers(self, edge: Edge, option: str) -> Sequence[Layer]:
        """What `option` at `edge` consists of over all cells; nothing for `none`."""
        if option == NONE or edge not in self.edges:
            return []
        stages = range(_STAGES)
        cells = range(self.layout.cells_per_stage)
        return [self.layout.layer(option, stage) for stage in stages for _ in cells]

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes)."""
        return self.logits(images, Weights(mixture, self.edges))

    def path(self, genotype: Genotype) -> Mixture:
        """The mixture that evaluates `genotype` alone."""
        chosen = check(self.space, genotype).choices
        return path(self.edges, chosen, next(self.parameters()))

    def derive(self, strengths: Tensor) -> Genotype:
        """The strongest option of every edge; `strengths` is (edges, options).

        `none` counts only where nothing else has any: as in DARTS, its strength does not compare,
        for it only scales what the batch norms behind it scale back. The published code takes it.
        """
        choices = {}
        for edge, row in zip(self.edges, strengths.tolist(), strict=True):
            pairs = list(zip(row, edge.options, strict=False))
            real = [pair for pair in pairs if pair[1] != NONE and pair[0] > 0] or pairs
            choices[edge.name] = max(real, key=lambda pair: pair[0])[1]
        return Genotype.of(self.space.name, choices)


def layers(layout: Layout, factories: Mapping[str, Factory]) -> dict[Layer, Builder]:
    """Every tagged layer that some network contains -> what builds it, in eval mode."""
    fixed = [layout.stem(), *layout.reductions(), *layout.last()]
    names = [operation for operation in factories if operation != NONE]
    candidates = [layout.layer(name, stage) for name in names for stage in range(_STAGES)]
    return builders(factories, fixed, candidates)
