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
from nascli.costs.latency_models import JOINTS, Counts
from nascli.costs.steps import FLOAT


def calls_of(space: object) -> Callable[[Layer], Counts]:
    """How often a layer of the space makes each call.

    A call is written as a layer of its own, whose settings have the number of its weights. Batch
    norms and ReLUs behind a convolution are part of it. An operation of the user's own is one call.
    """
    operations = operations_of(space)

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
            first, *more = [shapes[name] for name in step.inputs] or [step.shape]
            channels = first[0] + sum(shape[0] for shape in more if shape[1:] == first[1:])
            after = (("to_height", step.shape[1]), ("to_width", step.shape[2]))
            settings = (*after, ("weights", step.weights))
            name = f"{step.kind} {step.size}".rstrip()
            found[Layer(name, channels, step.shape[0], 1, *first[1:], settings)] += 1
            shapes[step.name] = step.shape
        return found

    return calls


def cost_of(call: Layer) -> Cost:
    """What one call costs, as far as it says: each weight is used once for every output pixel."""
    (channels, height, width), weights = call.shape, int(dict(call.settings).get("weights", 0))
    written = FLOAT * channels * height * width
    return Cost(weights, weights * height * width, written, written)
