"""The RAM that the tensors of an int8 network take: the least there is, and what a planner needs.

docs/microcontrollers.md sets both beside what vendors report.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from nascli.core.plan import IMAGES
from nascli.costs.int8 import Int8Network, Step

_ALIGNED = 16  # bytes
_LOOKED_AT = 5_000  # partial orders
_KEPT = 742  # bytes of any network
_KEPT_BY = {
    "conv": 244, "depthwise": 244, "linear": 247, "pool": 160, "mean": 160, "add": 160,
    "multiply": 139, "concatenate": 175, "slice": 281, "pad": 176, "relu": 120, "gate": 104,
    "zeros": 137, "resize": 112,
}  # fmt: skip
"""Kind of step -> bytes that stay."""


class Tensor(NamedTuple):
    """Its bytes, and the first and the last moment at which it must be there (both included).

    Moment 0 is when the images arrive, moment n that of the n-th step.
    """

    name: str
    bytes: int
    first: int
    last: int


class Fullest(NamedTuple):
    """The moment at which most bytes are there: while `step` runs, the `largest` first."""

    bytes: int
    step: Step
    largest: tuple[Tensor, ...]


def tensors(network: Int8Network) -> list[Tensor]:
    """Every tensor in the order of being written, the images first; the result stays to the end."""
    channels, height, width = network.input_shape
    size = {IMAGES: channels * height * width}
    first, last = {IMAGES: 0}, {IMAGES: 0}
    for moment, step in enumerate(network.steps, start=1):
        size[step.name] = step.bytes
        first[step.name] = last[step.name] = moment
        for read in step.inputs:
            last[read] = moment
    return [Tensor(name, size[name], first[name], last[name]) for name in size]


def held(network: Int8Network) -> list[list[Tensor]]:
    """The tensors that are there while each step runs, in the order of the steps."""
    found: list[list[Tensor]] = [[] for _ in range(len(network.steps) + 1)]
    for tensor in tensors(network):
        for moment in range(tensor.first, tensor.last + 1):
            found[moment].append(tensor)
    return found[1:]


def fullest(network: Int8Network) -> Fullest:
    """The moment at which the sum of live tensors is largest, in the order of the steps."""
    moments = held(network)
    totals = [sum(tensor.bytes for tensor in live) for live in moments]
    most = max(range(len(totals)), key=totals.__getitem__)
    live = sorted(moments[most], key=lambda tensor: -tensor.bytes)
    return Fullest(totals[most], network.steps[most], tuple(live))


def bound(network: Int8Network) -> tuple[int, bool]:
    """The least RAM that any order of the steps needs, and whether that is certain.

    The largest sum of live tensors, over the best order. Orders are looked at best first (the
    order with the least peak so far goes on), so what is found first is the best. It is not certain
    where too many partial orders tie; then it is that of the steps as they are.
    """
    steps = network.steps
    number = {step.name: n for n, step in enumerate(steps)}
    size = [step.bytes for step in steps]
    before = [[number[read] for read in step.inputs if read in number] for step in steps]
    readers: list[int] = [0] * len(steps)  # as bits
    images = 0
    for n, step in enumerate(steps):
        for read in step.inputs:
            if read == IMAGES:
                images |= 1 << n
            else:
                readers[number[read]] |= 1 << n
    readers[-1] |= 1 << len(steps)  # the result is never done with
    channels, height, width = network.input_shape
    given, whole = channels * height * width, (1 << len(steps)) - 1
    heap = [(given, 0, 0, given)]  # the peak, minus how many steps are done, which, what is live
    seen = set[int]()
    for _ in range(_LOOKED_AT):
        peak, count, done, live = heapq.heappop(heap)
        if done == whole:
            return peak, True
        if done in seen:
            continue
        seen.add(done)
        for n in range(len(steps)):
            bit = 1 << n
            after = done | bit
            if done == after or after in seen or any(not done >> b & 1 for b in before[n]):
                continue
            held = live + size[n]
            left = held - sum(size[b] for b in set(before[n]) if not readers[b] & ~after)
            if images & bit and not images & ~after:
                left -= given
            heapq.heappush(heap, (max(peak, held), count - 1, after, left))
    return fullest(network).bytes, False


def arena(network: Int8Network) -> int:
    """The head of TensorFlow Lite Micro's arena, in bytes: all tensors, planned into one block.

    Its greedy planner (`greedy_memory_planner.cc`): the largest tensor first, of equal ones the
    later, each into the first gap among those that are there at the same time as itself; sizes are
    rounded up to 16 bytes. What stays for good (the tail) is not in it.
    """
    return max(chain([0], (offset + size for _, offset, size in offsets(tensors(network)))))


def offsets(found: Sequence[Tensor]) -> list[tuple[Tensor, int, int]]:
    """Every tensor with its place in the arena and its rounded size, in the order of planning."""
    numbered = sorted(enumerate(found), key=lambda pair: (-_rounded(pair[1].bytes), -pair[0]))
    moments: list[list[tuple[int, int]]] = [[] for _ in range(max(t.last for t in found) + 1)]
    placed = []
    for _, tensor in numbered:
        size = _rounded(tensor.bytes)
        span = moments[tensor.first : tensor.last + 1]
        offset = 0
        for start, end in sorted(set(chain.from_iterable(span))):
            if start - offset >= size:
                break
            offset = max(offset, end)
        for moment in span:
            moment.append((offset, offset + size))
        placed.append((tensor, offset, size))
    return placed


def _rounded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def tail(network: Int8Network) -> int:
    """About what the interpreter keeps for good beside the head, in bytes: it grows with the steps.

    Measured on its 64-bit wheel (`benchmarks/micro_arena.py`: within 0.5 %): 8 bytes for each
    output channel of a convolution, and so much for a step of each kind. Pointers of a
    microcontroller are half as long, so there it is less.
    """
    channels = sum(step.biases for step in network.steps if step.kind != "linear")
    return _KEPT + 8 * channels + sum(_KEPT_BY[step.kind] for step in network.steps)
