"""What kernels of networks take on ONNX Runtime, by its own profiler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascli.core.device import Kernel
from nascli.core.plain import parsed

if TYPE_CHECKING:
    import onnxruntime

_RUNS = 40  # of each network, in interleaved rounds
_TOLD = "conv"  # the kernels that are told: most of what networks for images take


def traced(
    cases: Sequence[tuple[onnxruntime.InferenceSession, Mapping[str, Any]]],
) -> list[tuple[Kernel, ...]]:
    """The convolutions of each network, from a session with profiling on and what it is given."""
    from nascli.devices.measuring import order

    for round_ in range(_RUNS):
        for number in order(round_, len(cases)):
            session, images = cases[number]
            session.run(None, images)
    return [kernels_of(parsed(Path(one.end_profiling()).read_bytes())) for one, _ in cases]


def kernels_of(events: Sequence[Mapping[str, Any]]) -> tuple[Kernel, ...]:
    """The convolutions in a trace of several runs of one network, in the order of its nodes.

    Shares are those of the faster half of the runs together: single kernels are told in whole
    microseconds.
    """
    taken = defaultdict[str, list[float]](list)
    arguments: dict[str, Mapping[str, Any]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            node = event["args"]["node_index"]
            taken[node].append(event["dur"])
            arguments[node] = event["args"]
    runs = min(map(len, taken.values()), default=0)
    totals = [sum(values[run] for values in taken.values()) for run in range(runs)]
    fast = sorted(range(runs), key=totals.__getitem__)[: (runs + 1) // 2]
    whole = sum(totals[run] for run in fast)
    found = []
    for node, values in taken.items():
        shapes = _convolution(arguments[node])
        if shapes and whole:
            found.append(Kernel(*shapes, sum(values[run] for run in fast) / whole))
    return tuple(found)


def _convolution(
    arguments: Mapping[str, Any],
) -> tuple[str, tuple[int, int, int], tuple[int, int, int]] | None:
    """Name, what is read and what is written, of a node that is a convolution of images."""
    if _TOLD not in arguments["op_name"].lower():
        return None
    read, written = (
        [shape for each in arguments[f"{what}_type_shape"] for shape in each.values()]
        for what in ("input", "output")
    )
    match [shape for shape in read if len(shape) == 4], written:
        case [[_, channels, *pixels], [_, each, *size], *_], [[_, *after]] if len(after) == 3:
            kind = "depthwise" if each == 1 < channels else "conv"
            return f"{kind} {size[0]}x{size[1]}", (channels, *pixels), tuple(after)
    return None
