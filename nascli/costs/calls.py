"""Latencies from the kernel calls that layers and networks are made of; no torch.

Blocks that differ in one kernel have their other convolutions in common: what those take is told by
all networks that have any of the blocks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.operation import origin
from nascli.core.plan import IMAGES, Layer, Shape
from nascli.core.space import Planned
from nascli.costs.cost import Cost
from nascli.costs.footprint import network_of, operations_of, steps_of
from nascli.costs.fusing import computed
from nascli.costs.int8 import Step
from nascli.costs.kernel_times import completed, kernel_times
from nascli.costs.latency_models import Additive, Example, Fitted, LeastSquares
from nascli.costs.layer_counts import JOINTS, Counts, counts_of
from nascli.costs.steps import FLOAT

_DIFFERENT = ("depthwise", "pool")
"""Kinds of calls that are not the same in all operations: dilated or not; the largest or a mean."""
_REMEMBERED = 4096  # networks
_BETWEEN = 0.01  # the ridge of operations that a profiler has told of: it favours some, all alike


def calls_of(space: object) -> Callable[[Layer], Counts]:
    """How often a layer of the space makes each call.

    A call is written as a layer of its own, whose settings have the number of its weights. Batch
    norms and ReLUs behind a convolution are part of it. Depthwise convolutions and pools are told
    apart by whose they are. An operation of the user's own is one call.
    """
    operations, family = operations_of(space), _family(space)

    @cache
    def calls(layer: Layer) -> Counts:
        if layer.operation in JOINTS:
            return Counter([layer])
        try:
            steps = steps_of(layer, operations)
        except Fault:
            return Counter([layer])
        shapes = {IMAGES: (layer.in_channels, layer.height, layer.width)}
        found: Counts = Counter()
        for step in steps:
            found[_call(step, shapes, family(layer))] += 1
            shapes[step.name] = step.shape
        return found

    return calls


def network_calls(space: Planned, calls: Callable[[Layer], Counts]) -> Callable[[Genotype], Counts]:
    """How often a whole network makes each call on a runtime that fuses layers.

    See `nascli.costs.fusing.computed`; what the result does not depend on is not computed at all.
    With an operation of the user's own it is the sum of what layers do, which `calls` says.
    """
    family = _family(space)

    @lru_cache(_REMEMBERED)
    def of_network(genotype: Genotype) -> Counts:
        plan, found = space.plan(genotype), Counts()
        try:
            network = network_of(space, plan)
        except Fault:
            return _added_up(counts_of(plan, pruned=True), calls)
        layers = {place.name: place.layer for place in plan.places}

        def whose(step: Step) -> str:
            return family(layers.get(step.place))

        steps = list(computed(network.steps, whose))
        shapes = {step.name: step.shape for step in (*network.steps, *steps)}
        shapes[IMAGES] = network.input_shape
        for step in steps:
            found[_call(step, shapes, whose(step))] += 1
        return found

    return of_network


def _added_up(counts: Counts, calls: Callable[[Layer], Counts]) -> Counts:
    found: Counts = Counter()
    for layer, number in counts.items():
        for call, times in calls(layer).items():
            found[call] += number * times
    return found


def _family(space: object) -> Callable[[Layer | None], str]:
    """Whose calls those of a layer are: of the class of its operation, or of a pool's own name."""
    made_by = {
        name: path.rpartition(".")[2]
        for name, made in operations_of(space).items()
        if not (path := origin(made)[0]).endswith("_pool")
    }
    return lambda layer: "" if layer is None else made_by.get(layer.operation, layer.operation)


def _call(step: Step, shapes: Mapping[str, Shape], family: str) -> Layer:
    first, *more = [shapes[name] for name in step.inputs] or [step.shape]
    channels = first[0] + sum(shape[0] for shape in more if shape[1:] == first[1:])
    after = (("to_height", step.shape[1]), ("to_width", step.shape[2]))
    settings = (*after, ("weights", step.weights))
    name = f"{step.kind} {step.size}".rstrip()
    if step.kind in _DIFFERENT:
        name = f"{name} of {family}"
    return Layer(name, channels, step.shape[0], 1, *first[1:], settings)


def cost_of(call: Layer) -> Cost:
    """What one call costs, as far as it says: each weight is used once for every output pixel."""
    (channels, height, width), weights = call.shape, int(dict(call.settings).get("weights", 0))
    written = FLOAT * channels * height * width
    return Cost(weights, weights * height * width, written, written)


@dataclass(frozen=True)
class OnCalls:
    """Least squares on the kernel calls that layers are made of.

    With `network`, those of a network are not the sum of its layers'. With `timed`, what calls take
    starts from what the runtime says of the kernels of the examples.
    """

    of: LeastSquares
    calls: Callable[[Layer], Counts]
    network: Callable[[Genotype], Counts] | None = None
    timed: bool = False

    @property
    def name(self) -> str:
        """See `Model`."""
        start = "what the runtime says of them" if self.timed else "costs"
        return f"least squares on counts of kernel calls and {start}, ridge {self.of.strength:g}"

    def fit(self, examples: Sequence[Example]) -> Fitted:
        """See `Model`."""
        split = [replace(example, counts=self._split(example)) for example in examples]
        told = kernel_times(split) if self.timed else {}
        of = self.of
        if told:
            of = replace(of, times=completed(told, of), between=_BETWEEN)
        fitted = of.fit(split)

        def of_layer(layer: Layer) -> float:
            called = self.calls(layer).items()
            return math.fsum(number * fitted.layer_ms(call) for call, number in called)

        added = Additive(fitted.constant, of_layer)
        return added if self.network is None else _OnNetworks(added, fitted, self.network)

    def _split(self, example: Example) -> Counts:
        if self.network is not None:
            return self.network(example.genotype)
        return _added_up(example.counts, self.calls)


@dataclass(frozen=True)
class _OnNetworks:
    layers: Additive
    calls: Additive
    network: Callable[[Genotype], Counts]

    def __call__(self, genotype: Genotype, counts: Counts) -> float:
        del counts
        return self.calls(genotype, self.network(genotype))

    @property
    def constant(self) -> float:
        return self.layers.constant

    def layer_ms(self, layer: Layer) -> float:
        return self.layers.layer_ms(layer)
