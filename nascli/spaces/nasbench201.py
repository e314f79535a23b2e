"""The NAS-Bench-201 space: one cell of four nodes, an operation on each of its six edges.

Dong & Yang, NAS-Bench-201, ICLR 2020 (arXiv 2001.00326).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from nascli.core.channels import MOST_CHANNELS, MOST_LAYERS, deeper, whole, wider
from nascli.core.choice import NONE, Edge
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan
from nascli.core.space import check, strongest
from nascli.core.task import Task
from nascli.genotypes.nasbench201 import EDGES, PLACES, SPACE, to_string
from nascli.networks.building import build, builders, check_operations
from nascli.operations import resolve
from nascli.spaces.nasbench201_canonical import smallest
from nascli.spaces.nasbench201_plan import Plans, Sizes

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory
    from nascli.supernet.planned import PlannedSupernet

_SMALLEST = 4  # pixels a side that two reductions leave one of


class NASBench201:
    """Three stages of `cells_per_stage` equal cells, a residual block between two that halves.

    A cell has a node for its input and three more; each adds an operation on every node before it.
    The decisions are its edges, `1<-0` to `3<-2`; `none` is an option like any other.

    Args:
        task: shape and classes of the images.
        operations: name -> factory or its config (see `nascli.operations.resolve`).
        channels: of the first stage; each further one doubles them.
        cells_per_stage: cells in each of the three stages.

    Raises:
        Fault: an argument makes no sense, or the images are too small for the reductions.
    """

    name = SPACE

    def __init__(
        self,
        task: Task,
        operations: Mapping[str, Any],
        channels: int = 16,
        cells_per_stage: int = 5,
    ) -> None:
        self.task = task
        self.operations = dict(operations)
        check_operations(self.operations)
        self.channels = channels
        self.cells_per_stage = cells_per_stage
        sizes = (
            ("channels", channels, MOST_CHANNELS),
            ("cells_per_stage", cells_per_stage, MOST_LAYERS),
        )
        for key, value, most in sizes:
            if wanted := whole(value, most):
                raise Fault(f"space.{key} is {value}; it must be {wanted}")
        if not self.operations:
            raise Fault("space.operations is empty; it needs at least one operation")
        _, height, width = task.input_shape
        if min(height, width) < _SMALLEST:
            raise Fault(
                f"images of {height}x{width} pixels are too small for space '{self.name}'; "
                f"the smallest allowed is {_SMALLEST}x{_SMALLEST}"
            )
        self.sizes = {"channels": channels, "cells_per_stage": cells_per_stage}
        self._options = tuple(self.operations)
        self._decisions = dict.fromkeys(EDGES, self._options)
        self._edges = tuple(
            Edge(name, "cell", self._options, *place)
            for name, place in zip(EDGES, PLACES, strict=True)
        )
        self._plans: dict[int, Plans] = {}  # cells per stage -> plans

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Decision -> its options."""
        return self._decisions

    def plan(self, genotype: Genotype | None = None, depth: float = 1.0) -> Plan:
        """The plan of `genotype`'s network, or the open one; `depth` times as many cells, rounded.

        Raises:
            Fault: `genotype` is not of the space.
        """
        cells = max(1, round(depth * self.cells_per_stage))
        plans = self._plans.get(cells)
        if plans is None:
            sizes = Sizes(self.task.input_shape, self.task.classes, self.channels, cells)
            plans = self._plans[cells] = Plans(sizes, self._edges)
        return plans.open if genotype is None else plans.fixed(check(self, genotype).options)

    def resized(
        self, genotype: Genotype, width: float, depth: float, step: int, layers: str = "up"
    ) -> tuple[Mapping[str, Any], Genotype]:
        """See `core.space.Resizable`: the same cell, more often in each stage."""
        channels = wider(self.channels, width, step)
        cells = deeper(self.cells_per_stage, depth, layers)
        return {"channels": channels, "cells_per_stage": cells}, genotype

    def taken(self, genotype: Genotype) -> Mapping[str, str]:
        """The decisions: each is a choice."""
        return check(self, genotype).choices

    def derive(self, strengths: Sequence[Sequence[float]]) -> Genotype:
        """The strongest option of every edge (see `strongest`); the published code takes `none`."""
        return strongest(self.name, self._edges, strengths)

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype`: images (B, C, H, W) -> logits (B, classes).

        An edge with `none` has no module; all others are computed, whether or not anything reaches
        them, as in the benchmark. Its attribute `drop_path` (0 at first) is the chance with which,
        in training mode, each image drops an edge. Every module but additions is tagged.
        """
        from nascli.networks.network import Network

        return Network(self.plan(genotype), partial(build, self.factories))

    def supernet(self) -> PlannedSupernet:
        """All networks of the space in one; as published, no batch norm follows a pool."""
        return self.supernet_at(1.0)

    def supernet_at(self, depth: float) -> PlannedSupernet:
        """The same with `depth` times as many cells, rounded."""
        from nascli.supernet.planned import PlannedSupernet

        return PlannedSupernet(self, self.plan(depth=depth), self.factories)

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every tagged layer that some network of the space contains, with its builder."""
        return builders(self.factories, self.plan())

    @cached_property
    def factories(self) -> dict[str, Factory]:
        """Operation -> what builds it; imports their modules."""
        return resolve(self.operations)

    def canonical(self, genotype: Genotype) -> Genotype:
        """The smallest genotype that computes the same function (see `nasbench201_canonical`).

        Smallest by the numbers of the options, first edges first. What carries nothing is left out
        of it, so it may have fewer parameters.
        """
        options = genotype.options
        if genotype.decisions != EDGES:
            options = tuple(genotype[edge] for edge in EDGES)
        return Genotype(self.name, EDGES, smallest(options, self._options))

    def describe(self, genotype: Genotype) -> str:
        """The benchmark's string, and one line a node."""
        taken = self.taken(genotype)
        nodes: dict[int, list[str]] = {}
        for edge in self._edges:
            terms = nodes.setdefault(edge.target, [])
            if taken[edge.name] != NONE:
                terms.append(f"{taken[edge.name]}({edge.source})")
        lines = [f"node {node} = {' + '.join(terms) or '0'}" for node, terms in nodes.items()]
        return "\n".join([to_string(genotype), *lines])
