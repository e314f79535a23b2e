"""Cells and skeleton at once: how many cells each stage has and which, its channels, its stride.

Two levels are searched together, as in Liu et al., Auto-DeepLab, CVPR 2019 (arXiv 1901.02985); the
cells are flat motifs, graphs with an operation on every edge, of Liu et al., Hierarchical
Representations for Efficient Architecture Search, ICLR 2018 (arXiv 1711.00436). Departures: a cell
of its own for each stage, where both papers stack one; motifs are not made of motifs; images only
ever get smaller, for networks classify; how many cells a stage has is a choice between the results
of its cells, where Auto-DeepLab weighs steps between resolutions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from nascli.core.channels import MOST_CHANNELS, MOST_LAYERS, deeper, whole, wider
from nascli.core.choice import NONE, SKIP, Edge
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import IMAGES, Layer, Place, Plan, Shape
from nascli.core.space import check, strongest
from nascli.core.task import Task
from nascli.genotypes.nasbench201 import EDGES, PLACES
from nascli.networks.building import build, builders, check_operations
from nascli.operations import resolve
from nascli.spaces.hierarchical_plan import Stage
from nascli.spaces.nasbench201_canonical import smallest
from nascli.spaces.nasbench201_plan import ending

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory
    from nascli.supernet.planned import PlannedSupernet

_SIZES = ("channels", "stride", "cells")


class Hierarchical:
    """A stem, stages of cells, a head. Stage 2 has its own cell, repeated as its genotype says.

    A cell is that of NAS-Bench-201: a node for its input and three more, each of which adds an
    operation on every node before it. Before the first cell of a stage, what changes its channels
    or halves the image is a ReLU, a 1x1 convolution and a batch norm. It is there without any cell
    too: so the numbers of cells say where between the cells images are halved.

    Decisions of stage 2: `2/channels`, `2/stride`, `2/cells`, and the edges `2/1<-0` to `2/3<-2` of
    its cell. What has one option only is a decision all the same.

    Args:
        task: shape and classes of the images.
        operations: name -> factory or its config (see `nascli.operations.resolve`).
        channels: of each stage, or a list of them to choose from.
        strides: of each stage, 1 or 2, or both to choose from.
        cells: how many cells each stage has, or a list of such numbers; 0 is one.

    Raises:
        Fault: everything that makes no sense, at once; the images are too small for the strides.
    """

    name = "hierarchical"

    def __init__(
        self,
        task: Task,
        operations: Mapping[str, Any],
        channels: Sequence[int | Sequence[int]] = (16, 32, 64),
        strides: Sequence[int | Sequence[int]] = (1, 2, 2),
        cells: Sequence[int | Sequence[int]] = ((0, 1, 2, 3),) * 3,
    ) -> None:
        self.task, self.operations = task, dict(operations)
        check_operations(self.operations)
        wrong = [] if self.operations else ["space.operations is empty; it needs at least one"]
        wrong += _wrong(channels=channels, strides=strides, cells=cells)
        if wrong:
            raise Fault("\n".join(wrong))
        self._sizes = [tuple(map(_listed, of)) for of in zip(channels, strides, cells, strict=True)]
        for number, (widths, steps, _) in enumerate(self._sizes, start=1):
            if min(widths) < 2 and max(steps) == 2:
                raise Fault(
                    f"space.channels has {min(widths)} for stage {number}, whose stride may be 2: "
                    "each half of its channels reads other pixels, so give it at least 2"
                )
        together = sum(max(counts) for _, _, counts in self._sizes)
        if together > MOST_LAYERS:
            raise Fault(f"space.cells are {together:,} together; at most {MOST_LAYERS}")
        least, (_, height, width) = math.prod(max(s) for _, s, _ in self._sizes), task.input_shape
        if min(height, width) < least:
            raise Fault(
                f"images of {height}x{width} pixels are too small for the strides of space "
                f"'{self.name}'; the smallest allowed is {least}x{least}"
            )
        options = tuple(self.operations)
        self._edges: list[tuple[Edge, ...]] = []
        self._decisions: dict[str, tuple[str, ...]] = {}
        for number, sizes in enumerate(self._sizes, start=1):
            named = zip(_SIZES, sizes, strict=True)
            self._decisions |= {f"{number}/{key}": tuple(map(str, of)) for key, of in named}
            places = zip(EDGES, PLACES, strict=True) if max(sizes[2]) else ()
            group = f"stage {number}"
            edges = tuple(Edge(f"{number}/{name}", group, options, *at) for name, at in places)
            self._edges.append(edges)
            self._decisions |= {edge.name: options for edge in edges}
        if max(map(len, self._decisions.values())) == 1:
            raise Fault("every decision has one option, so there is nothing to search")
        self._stages: dict[tuple[int, str, Shape, int, int], Stage] = {}

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Decision -> its options."""
        return self._decisions

    def plan(self, genotype: Genotype | None = None) -> Plan:
        """The plan of `genotype`'s network, or the open one.

        Raises:
            Fault: `genotype` is not of the space, or channels or strides are decided too and there
                is no open plan.
        """
        if genotype is None:
            return self._open
        choices = check(self, genotype).choices
        state = self._stem(int(choices["1/channels"]))
        places = [state]
        for number, edges in enumerate(self._edges, start=1):
            count = int(choices[f"{number}/cells"])
            sizes = int(choices[f"{number}/channels"]), int(choices[f"{number}/stride"])
            stage = self._stage(number, state, *sizes)
            places += stage.entry
            for cell in stage.cells[:count]:
                cell.add_fixed(places, [choices[edge.name] for edge in edges])
            state = stage.ends[count]
        return self._ended(places, state)

    @cached_property
    def _open(self) -> Plan:
        for key, options in self._decisions.items():
            if key.endswith(("/channels", "/stride")) and len(options) > 1:
                name = "channels" if key.endswith("channels") else "strides"
                raise Fault(
                    f"space '{self.name}' has no supernet and no open plan while {key} is a choice "
                    f"({', '.join(options)}); give space.{name} one number for each stage"
                )
        state = self._stem(self._sizes[0][0][0])
        places = [state]
        for number, ((channels,), (stride,), counts) in enumerate(self._sizes, start=1):
            stage = self._stage(number, state, channels, stride)
            places += stage.open(self._edges[number - 1], counts)
            state = places[-1] if len(counts) > 1 else stage.ends[counts[0]]
        return self._ended(places, state)

    def _stem(self, channels: int) -> Place:
        images, height, width = self.task.input_shape
        layer = Layer("stem", images, channels, 1, height, width)
        return Place("layer", "stem", (IMAGES,), layer.shape, layer)

    def _stage(self, number: int, state: Place, channels: int, stride: int) -> Stage:
        key = number, state.name, state.shape, channels, stride
        if key not in self._stages:
            most = max(self._sizes[number - 1][2])
            self._stages[key] = Stage(number, state, channels, stride, most)
        return self._stages[key]

    def _ended(self, places: Sequence[Place], state: Place) -> Plan:
        last = ending(state, self.task.classes)
        return Plan(self.task.input_shape, (*places, *last), last[-1].name)

    def taken(self, genotype: Genotype) -> Mapping[str, str]:
        """What has more than one option."""
        choices = check(self, genotype).choices
        return {key: choices[key] for key, all_ in self._decisions.items() if len(all_) > 1}

    def derive(self, strengths: Sequence[Sequence[float]]) -> Genotype:
        """The strongest option of every choice (see `strongest`)."""
        found = strongest(self.name, self.plan().choices, strengths).choices
        return self._with(found)

    def _with(self, choices: Mapping[str, str]) -> Genotype:
        """The genotype with these options, and the first ones of all other decisions."""
        options = tuple(choices.get(key, all_[0]) for key, all_ in self._decisions.items())
        return Genotype(self.name, tuple(self._decisions), options)

    def resized(
        self, genotype: Genotype, width: float, depth: float, step: int, layers: str = "up"
    ) -> tuple[Mapping[str, Any], Genotype]:
        """See `core.space.Resizable`: the same cells, more of them in each stage."""
        choices = check(self, genotype).choices
        settings: dict[str, list[int]] = {"channels": [], "strides": [], "cells": []}
        for number in range(1, len(self._sizes) + 1):
            channels, stride, cells = (int(choices.pop(f"{number}/{key}")) for key in _SIZES)
            settings["channels"].append(wider(channels, width, step))
            settings["strides"].append(stride)
            settings["cells"].append(deeper(cells, depth, layers) if cells else 0)
        larger = Hierarchical(self.task, self.operations, **settings)
        return settings, larger._with(choices)

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype`: images (B, C, H, W) -> logits (B, classes).

        Its attribute `drop_path` (0 at first) is the chance with which, in training mode, each
        image drops an edge. Every module but additions is tagged.
        """
        from nascli.networks.network import Network

        return Network(self.plan(genotype), partial(build, self.factories))

    def supernet(self) -> PlannedSupernet:
        """All networks of the space in one; cells that a path does not have are not computed.

        Raises:
            Fault: channels or strides are decided too.
        """
        from nascli.supernet.planned import PlannedSupernet

        return PlannedSupernet(self, self.plan(), self.factories)

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every layer that some network of the space contains, with its builder."""
        states = {self._stem(channels) for channels in self._sizes[0][0]}
        places = [*states]
        for number, (widths, strides, counts) in enumerate(self._sizes, start=1):
            after: dict[Shape, Place] = {}
            for state, channels, stride in itertools.product(states, widths, strides):
                if number == 1 and channels != state.shape[0]:
                    continue  # the stem has the channels of the first stage
                stage = self._stage(number, state, channels, stride)
                places += stage.open(self._edges[number - 1], counts)
                after.setdefault(stage.ends[0].shape, stage.ends[0])
            states = set(after.values())
        places += (place for state in states for place in ending(state, self.task.classes))
        return builders(self.factories, Plan(self.task.input_shape, tuple(places), ""))

    @cached_property
    def factories(self) -> dict[str, Factory]:
        """Operation -> what builds it; imports their modules."""
        return resolve(self.operations)

    def canonical(self, genotype: Genotype) -> Genotype:
        """The one with the smallest cells (see `nasbench201_canonical`), and as few as can be.

        The cell of a stage without any takes its first options, and so does every stage before a
        cell that gives zeros. Several cells that pass on what they read, or give zeros, are one.
        """
        choices, operations = genotype.choices, tuple(self.operations)
        passing = zeros = None
        if NONE in operations:
            zeros = (NONE,) * len(EDGES)
            if SKIP in operations:
                passing = smallest((*zeros[:3], SKIP, *zeros[4:]), operations)
        reached = True  # whether logits depend on what the stage makes of images
        for number in range(len(self._sizes), 0, -1):
            counts = sorted(self._sizes[number - 1][2])
            names = [edge.name for edge in self._edges[number - 1]]
            count = int(choices[f"{number}/cells"])
            cell = smallest(tuple(choices[name] for name in names), operations) if names else ()
            if not reached or cell == passing:
                count = counts[0]
            elif count and cell == zeros:
                count, reached = next(n for n in counts if n), False
            choices[f"{number}/cells"] = str(count)
            unread = not count or not (reached or cell == zeros)
            cell = operations[:1] * len(names) if unread else cell
            choices.update(zip(names, cell, strict=True))
        return self._with(choices)

    def describe(self, genotype: Genotype) -> str:
        """One line a stage, and one for each node of its cell."""
        choices = check(self, genotype).choices
        lines = []
        for number, edges in enumerate(self._edges, start=1):
            channels, stride, count = (choices[f"{number}/{key}"] for key in _SIZES)
            cells = "1 cell" if count == "1" else f"{count} cells"
            lines.append(f"stage {number}  {channels:>4} channels  stride {stride}  {cells}")
            for node in (1, 2, 3) if count != "0" else ():
                into = [(choices[e.name], e.source) for e in edges if e.target == node]
                terms = [f"{option}({source})" for option, source in into if option != NONE]
                lines.append(f"  node {node} = {' + '.join(terms) or '0'}")
        return "\n".join(lines)


def _listed(value: int | Sequence[int]) -> tuple[int, ...]:
    """A number, or several, as several."""
    return tuple(value) if isinstance(value, Sequence) else (value,)


def _wrong(**lists: object) -> Iterator[str]:
    """What is wrong with the channels, strides and numbers of cells of the stages."""
    ranges = {"channels": (1, MOST_CHANNELS), "strides": (1, 2), "cells": (0, MOST_LAYERS)}
    counts = {}
    for key, stages in lists.items():
        if not isinstance(stages, list | tuple) or not stages:
            yield f"space.{key} is {stages!r:.80}; it must have a number or a list for each stage"
            continue
        counts[key], (least, most) = len(stages), ranges[key]
        for number, sizes in enumerate(stages, start=1):
            of = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
            unfit = any(whole(size, most, least) for size in of)
            if not of or unfit or len(set(of)) < len(of):
                yield (
                    f"space.{key} has {sizes!r:.80} for stage {number}; it must be a whole number "
                    f"from {least} to {most:,}, or a list of different ones to choose from"
                )
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{key} for {count}" for key, count in counts.items())
        yield f"space: {told} stages; they must be for as many"
