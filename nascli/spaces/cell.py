"""The DARTS space: a normal and a reduction cell, two inputs a node.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019 (arXiv 1806.09055).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from nascli.core.choice import NONE
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.space import check
from nascli.core.task import Task
from nascli.operations import resolve
from nascli.spaces.cell_layout import GROUPS, INPUTS, Layout, parts

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory
    from nascli.spaces.cell_network import CellSupernet

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
        self.candidates = tuple(name for name in self.operations if name != NONE)
        if stem not in ("auto", "cifar", "imagenet"):
            raise Fault(unknown("space.stem", stem, ("auto", "cifar", "imagenet")))
        if stem == "auto":
            stem = "imagenet" if min(task.input_shape[1:]) >= _IMAGENET_FROM else "cifar"
        self.layout = Layout(
            task.input_shape, task.classes, channels, cells, nodes, auxiliary, stem
        )
        self._check()
        self._decisions = self._all_decisions()
        self._names = tuple(self._decisions)

    def _check(self) -> None:
        for key, minimum in (("channels", 2), ("cells", 1), ("nodes", 1)):
            if getattr(self.layout, key) < minimum:
                value = getattr(self.layout, key)
                raise Fault(f"space.{key} is {value}; it must be at least {minimum}")
        if not self.candidates:
            names = ", ".join(self.operations) or "nothing"
            raise Fault(f"space.operations needs an operation besides '{NONE}'; it has {names}")
        stem = self.layout.stem
        smallest = 2 ** len(self.layout.reductions) * (8 if stem == "imagenet" else 1)
        _, height, width = self.layout.input_shape
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
        for group, node in itertools.product(GROUPS, range(INPUTS, INPUTS + self.layout.nodes)):
            pairs = itertools.combinations(range(node), 2)
            decisions[f"{group}/{node}/inputs"] = tuple(f"{a}+{b}" for a, b in pairs)
            decisions[f"{group}/{node}/first"] = self.candidates
            decisions[f"{group}/{node}/second"] = self.candidates
        return decisions

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype`: images (B, C, H, W) -> logits (B, classes).

        Its attribute `drop_path` (0 at first) is the chance with which, in training mode, each
        image drops an edge. With an auxiliary head, training mode returns (logits, auxiliary
        logits). Every module but that head, additions and concatenations is tagged.
        """
        from nascli.spaces.cell_network import CellNetwork

        return CellNetwork(self.layout, self.factories, check(self, genotype))

    def supernet(self, depth: float = 1.0) -> CellSupernet:
        """All networks of the space in one; weights are shared by position, not across cells.

        It has `depth` times as many cells as a network, rounded.
        """
        from nascli.spaces.cell_network import CellSupernet

        layout = replace(self.layout, cells=max(1, round(depth * self.layout.cells)))
        return CellSupernet(self, layout, self.factories)

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every tagged layer that some network of the space contains, with its builder."""
        from nascli.spaces.cell_network import layers

        return layers(self.layout, self.factories)

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
        if GROUPS[0] in self.layout.groups:
            normal = _smallest(normal, self.candidates)
        else:
            normal = tuple(allowed[0] for allowed in self._decisions.values())[:half]
        return Genotype(self.name, self._names, normal + _smallest(reduction, self.candidates))

    def describe(self, genotype: Genotype) -> str:
        """One line a node: which operations, on which states, it adds."""
        lines = []
        for group in GROUPS:
            edges = parts(genotype.choices, group, self.layout.nodes)
            for (a, node, first), (b, _, second) in zip(edges[::2], edges[1::2], strict=True):
                lines.append(f"{group:<9}  {node} = {first}({a}) + {second}({b})")
        return "\n".join(lines)


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
