"""What kernel calls take inside of networks, as the runtime says; no torch.

A convolution alone takes another time than in company: alone it is given its images in another
layout than the one before it would leave them in, and has the caches for itself.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from nascli.core.device import Kernel
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.costs.latency_models import Example, LeastSquares
from nascli.costs.layer_counts import Counts

_NOBODY = Genotype.of("kernels", {})
_VECTORS = (1, 8, 16)  # channels: in ONNX Runtime's layouts, by the processor


def kernel_times(examples: Sequence[Example]) -> dict[Layer, float]:
    """Milliseconds of the calls that kernels were told of: medians over the examples that have it.

    The `counts` of the examples are of kernel calls (see `nascli.costs.calls`).
    """
    found = defaultdict[Layer, list[float]](list)
    for example in examples:
        of_example = defaultdict[Layer, list[float]](list)
        for kernel in example.kernels:
            for call in _calls(kernel, example.counts):
                of_example[call].append(kernel.share * example.ms)
        for call, taken in of_example.items():
            found[call].append(statistics.fmean(taken))
    return {call: statistics.median(taken) for call, taken in found.items()}


def completed(times: Mapping[Layer, float], of: LeastSquares) -> Callable[[Layer], float | None]:
    """Also of calls that no kernel was told of, as `of` has it; None of other operations."""
    told = [Example(_NOBODY, Counter([call]), ms) for call, ms in times.items()]
    fitted = of.fit(told)
    operations = {call.operation for call in times}

    def taken(call: Layer) -> float | None:
        if call in times:
            return times[call]
        if call.operation in operations:
            return fitted.constant + fitted.layer_ms(call)
        return None

    return taken


def _calls(kernel: Kernel, counts: Counts) -> list[Layer]:
    """Those that the kernel may be one of: its shapes, filled up with as few channels as can be."""
    found = defaultdict[int, list[Layer]](list)
    for call in counts:
        if _named(call) != kernel.name:
            continue
        more = _filled((call.in_channels, call.height, call.width), kernel.inside)
        most = _filled(call.shape, kernel.shape)
        if more is not None and most is not None:
            found[more + most].append(call)
    return found[min(found)] if found else []


def _named(call: Layer) -> str:
    """Its name without whose it is: the runtime says nothing of how far a kernel is dilated."""
    return call.operation.partition(" of ")[0]


def _filled(shape: Sequence[int], into: Sequence[int]) -> int | None:
    """By how many channels a shape is filled up to be another; None if that is not what it is."""
    channels, more = shape[0], into[0] - shape[0]
    same = tuple(shape[1:]) == tuple(into[1:])
    return more if same and any(into[0] == -(-channels // n) * n for n in _VECTORS) else None
