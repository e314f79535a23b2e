"""Layers as the kernel calls that they are made of; no torch.

Blocks that differ in one kernel have their other convolutions in common: what those take is told by
all networks that have any of the blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache

from nascli.core.fault import Fault
from nascli.core.plan import IMAGES, Layer
from nascli.costs.cost import Cost
from nascli.costs.footprint import operations_of, steps_of
from nascli.costs.formulas import origin
from nascli.costs.layer_counts import JOINTS, Counts
from nascli.costs.steps import FLOAT

_DIFFERENT = ("depthwise", "pool")
"""Kinds of calls that are not the same in all operations: dilated or not; the largest or a mean."""


def calls_of(space: object) -> Callable[[Layer], Counts]:
    """How often a layer of the space makes each call.

    A call is written as a layer of its own, whose settings have the number of its weights. Batch
    norms and ReLUs behind a convolution are part of it. Depthwise convolutions and pools are told
    apart by whose they are. An operation of the user's own is one call.
    """
    operations = operations_of(space)
    made_by = {
        name: path.rpartition(".")[2]
        for name, made in operations.items()
        if not (path := origin(made)[0]).endswith("_pool")
    }

    @cache
    def calls(layer: Layer) -> Counts:
        if layer.operation in JOINTS:
            return Counter([layer])
        try:
            steps = steps_of(layer, operations)
        except Fault:
            return Counter([layer])
        shapes = {IMAGES: (layer.in_channels, layer.height, layer.width)}
        family = made_by.get(layer.operation, layer.operation)
        found: Counts = Counter()
        for step in steps:
            first, *more = [shapes[name] for name in step.inputs] or [step.shape]
            channels = first[0] + sum(shape[0] for shape in more if shape[1:] == first[1:])
            after = (("to_height", step.shape[1]), ("to_width", step.shape[2]))
            settings = (*after, ("weights", step.weights))
            name = f"{step.kind} {step.size}".rstrip()
            if step.kind in _DIFFERENT:
                name = f"{name} of {family}"
            found[Layer(name, channels, step.shape[0], 1, *first[1:], settings)] += 1
            shapes[step.name] = step.shape
        return found

    return calls


def cost_of(call: Layer) -> Cost:
    """What one call costs, as far as it says: each weight is used once for every output pixel."""
    (channels, height, width), weights = call.shape, int(dict(call.settings).get("weights", 0))
    written = FLOAT * channels * height * width
    return Cost(weights, weights * height * width, written, written)
