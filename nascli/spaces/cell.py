"""The DARTS space: a normal and a reduction cell, two inputs a node.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019 (arXiv 1806.09055).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

from nascli.core.channels import MOST_CHANNELS, MOST_LAYERS, deeper, whole, wider
from nascli.core.choice import NONE, Edge
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan
from nascli.core.space import check
from nascli.core.task import Task
from nascli.networks.building import build, builders, check_operations
from nascli.operations import resolve
from nascli.spaces.cell_plan import GROUPS, INPUTS, Edges, Plans, Sizes

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory
    from nascli.supernet.planned import PlannedSupernet

_NODES = 20  # as many as a cell may have: each reads all before it, in pairs
_IMAGENET_FROM = 128  # pixels a side from which the published ImageNet stem is used


class Cell:
    """Networks of `cells` cells; those at one and two thirds halve the image (reduction cells).

    Every node adds two operations, each on one of two different earlier states; a cell's output is
    the concatenation of its `nodes` nodes. Decisions, for both kinds of cell: `normal/2/inputs`
    (node 2 reads states "0+1"), `normal/2/first` and `normal/2/second` (the operation on the lower
    and on the higher of the two). With one or two cells there is no normal cell.

    Args:
        task: shape and classes of the images.
        operations: name -> factory or its config (see `nascli.operations.resolve`); `none` is only
            ever part of the supernet.
        channels: of the first cells; each reduction doubles them.
        cells: how many cells a network has.
        nodes: how many nodes a cell has.
        auxiliary: whether networks get the auxiliary head that helps training.
        stem: "cifar" (one 3x3 convolution), "imagenet" (three, at stride 2) or "auto" (by size).

    Raises:
        Fault: an argument makes no sense, or the images are too small for the reductions.
    """

    name = "cell"

    def __init__(
        self,
        task: Task,
        operations: Mapping[str, Any],
        channels: int = 16,
        cells: int = 8,
        nodes: int = 4,
        auxiliary: bool = False,
        stem: str = "auto",
    ) -> None:
        self.task = task
        self.operations = dict(operations)
        check_operations(self.operations)
        self.candidates = tuple(name for name in self.operations if name != NONE)
        if stem not in ("auto", "cifar", "imagenet"):
            raise Fault(unknown("space.stem", stem, ("auto", "cifar", "imagenet")))
        if stem == "auto":
            stem = "imagenet" if min(task.input_shape[1:]) >= _IMAGENET_FROM else "cifar"
        self._sizes = Sizes(task.input_shape, task.classes, channels, cells, nodes, auxiliary, stem)
        self.sizes = {"channels": channels, "cells": cells}
        self._check()
        self._decisions = self._all_decisions()
        self._names = tuple(self._decisions)
        self._edges = tuple(_all_edges(nodes, tuple(self.operations)))
        self._plans: dict[int, Plans] = {}  # number of cells -> plans

    def _check(self) -> None:
        ranges = {"channels": (MOST_CHANNELS, 2), "cells": (MOST_LAYERS, 1), "nodes": (_NODES, 1)}
        for key, (most, least) in ranges.items():
            value = getattr(self._sizes, key)
            if wanted := whole(value, most, least):
                raise Fault(f"space.{key} is {value}; it must be {wanted}")
        if not self.candidates:
            names = ", ".join(self.operations) or "nothing"
            raise Fault(f"space.operations needs an operation besides '{NONE}'; it has {names}")
        stem = self._sizes.stem
        smallest = 2 ** len(self._sizes.reductions) * (8 if stem == "imagenet" else 1)
        _, height, width = self._sizes.input_shape
        if min(height, width) < smallest:
            raise Fault(
                f"images of {height}x{width} pixels are too small for space '{self.name}' with "
                f"stem '{stem}'; the smallest allowed is {smallest}x{smallest}"
            )

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Decision -> its options."""
        return self._decisions

    def _all_decisions(self) -> dict[str, tuple[str, ...]]:
        decisions: dict[str, tuple[str, ...]] = {}
        for group, node in itertools.product(GROUPS, range(INPUTS, INPUTS + self._sizes.nodes)):
            pairs = itertools.combinations(range(node), 2)
            decisions[f"{group}/{node}/inputs"] = tuple(f"{a}+{b}" for a, b in pairs)
            decisions[f"{group}/{node}/first"] = self.candidates
            decisions[f"{group}/{node}/second"] = self.candidates
        return decisions

    def plan(self, genotype: Genotype | None = None, depth: float = 1.0) -> Plan:
        """The plan of `genotype`'s network, or the open one; `depth` times as many cells, rounded.

        Raises:
            Fault: `genotype` is not of the space.
        """
        cells = max(1, round(depth * self._sizes.cells))
        plans = self._plans.get(cells)
        if plans is None:
            plans = Plans(replace(self._sizes, cells=cells), self._edges)
            self._plans[cells] = plans
        if genotype is None:
            return plans.open
        return plans.fixed(self._chosen(check(self, genotype).options))

    def _chosen(self, options: Sequence[str]) -> dict[str, Edges]:
        """Kind of cell -> its edges, of options in the space's order."""
        edges: list[tuple[int, str]] = []
        for inputs, first, second in zip(options[::3], options[1::3], options[2::3], strict=True):
            low, high = inputs.split("+")
            edges += [(int(low), first), (int(high), second)]
        half = len(edges) // 2
        return dict(zip(GROUPS, (edges[:half], edges[half:]), strict=True))

    def resized(
        self, genotype: Genotype, width: float, depth: float, step: int, layers: str = "up"
    ) -> tuple[Mapping[str, Any], Genotype]:
        """See `core.space.Resizable`: the same cells, stacked deeper."""
        channels = wider(self._sizes.channels, width, step)
        return {"channels": channels, "cells": deeper(self._sizes.cells, depth, layers)}, genotype

    def taken(self, genotype: Genotype) -> Mapping[str, str]:
        """Name of an edge -> operation, for the two edges of every node."""
        chosen = self._chosen(check(self, genotype).options)
        return {
            f"{group}/{INPUTS + slot // 2}<-{source}": operation
            for group, edges in chosen.items()
            for slot, (source, operation) in enumerate(edges)
        }

    def derive(self, strengths: Sequence[Sequence[float]]) -> Genotype:
        """The published rule (section 2.4): the two inputs whose best operation is strongest.

        `strengths` has a row for every edge and a number for every option. `none` never counts; of
        equals, the first is taken.
        """
        best: dict[tuple[str, int], list[tuple[float, int, str]]] = {}
        for edge, row in zip(self._edges, strengths, strict=True):
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
        return check(self, Genotype.of(self.name, choices))

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype`: images (B, C, H, W) -> logits (B, classes).

        Its attribute `drop_path` (0 at first) is the chance with which, in training mode, each
        image drops an edge. With an auxiliary head, training mode returns (logits, auxiliary
        logits). Every module but that head, additions and concatenations is tagged.
        """
        from nascli.networks.network import Network

        return Network(self.plan(genotype), partial(build, self.factories))

    def supernet(self) -> PlannedSupernet:
        """All networks of the space in one; as published, a batch norm follows each pool."""
        return self.supernet_at(1.0)

    def supernet_at(self, depth: float) -> PlannedSupernet:
        """The same with `depth` times as many cells, rounded."""
        from nascli.supernet.planned import PlannedSupernet

        return PlannedSupernet(self, self.plan(depth=depth), self.factories, normalised=True)

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every tagged layer that some network of the space contains, with its builder."""
        return builders(self.factories, self.plan())

    @cached_property
    def factories(self) -> dict[str, Factory]:
        """Operation -> what builds it; imports their modules."""
        return resolve(self.operations)

    def canonical(self, genotype: Genotype) -> Genotype:
        """The smallest genotype that differs from `genotype` only in the order of its nodes.

        Smallest by the numbers of the options, first decisions first. A kind of cell that the
        networks do not contain takes its first options.
        """
        options = genotype.options
        if genotype.decisions != self._names:
            options = tuple(genotype[name] for name in self._names)
        half = len(options) // 2
        normal, reduction = options[:half], options[half:]
        if GROUPS[0] in self._sizes.groups:
            normal = _smallest(normal, self.candidates)
        else:
            normal = tuple(allowed[0] for allowed in self._decisions.values())[:half]
        return Genotype(self.name, self._names, normal + _smallest(reduction, self.candidates))

    def describe(self, genotype: Genotype) -> str:
        """One line a node: which operations, on which states, it adds."""
        taken = self.taken(genotype)
        nodes: dict[tuple[str, int], list[str]] = {}
        for edge in self._edges:
            if edge.name in taken:
                term = f"{taken[edge.name]}({edge.source})"
                nodes.setdefault((edge.group, edge.target), []).append(term)
        terms = nodes.items()
        return "\n".join(
            f"{group:<9}  {node} = {' + '.join(sum_)}" for (group, node), sum_ in terms
        )


def _all_edges(nodes: int, options: tuple[str, ...]) -> Iterator[Edge]:
    for group in GROUPS:
        for target in range(INPUTS, INPUTS + nodes):
            for source in range(target):
                yield Edge(f"{group}/{target}<-{source}", group, options, source, target)


_Line = tuple[int, int, int, int]  # lower input, higher input, operation of each


@lru_cache(maxsize=1 << 16)
def _smallest(options: tuple[str, ...], candidates: tuple[str, ...]) -> tuple[str, ...]:
    """One kind of cell with its nodes in the order that makes its options the smallest."""
    nodes = []
    for inputs, first, second in zip(options[::3], options[1::3], options[2::3], strict=True):
        low, high = map(int, inputs.split("+"))
        nodes.append((low, high, candidates.index(first), candidates.index(second)))
    left = dict(enumerate(nodes, start=INPUTS))
    found: tuple[str, ...] = ()
    for low, high, first_number, second_number in min(_orders(left, {0: 0, 1: 1})):
        found += (f"{low}+{high}", candidates[first_number], candidates[second_number])
    return found


def _orders(left: Mapping[int, _Line], number: Mapping[int, int]) -> Iterator[list[_Line]]:
    """Listings of the nodes `left`, the smallest among them, in the new numbers.

    A node is listed once its inputs have a `number`. The smallest line comes next; where several
    are equal, each way is tried.
    """
    if not left:
        yield []
        return
    known = number.keys()
    ready = {n: _numbered(line, number) for n, line in left.items() if known >= {*line[:2]}}
    least = min(ready.values())
    for node in (n for n, line in ready.items() if line == least):
        rest = {n: line for n, line in left.items() if n != node}
        for lines in _orders(rest, {**number, node: len(number)}):
            yield [least, *lines]


def _numbered(line: _Line, number: Mapping[int, int]) -> _Line:
    a, b, of_a, of_b = number[line[0]], number[line[1]], line[2], line[3]
    return (a, b, of_a, of_b) if a < b else (b, a, of_b, of_a)
