"""A network as a microcontroller computes it: steps on tensors of one byte a value; no torch.

Weights are int8 and biases int32; a batch norm behind a convolution is inside of both (Jacob et
al., CVPR 2018, arXiv 1712.05877). docs/microcontrollers.md has the rules and their sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nascli.core.plan import IMAGES, Shape

KIB = 1024
_BIAS = 4  # bytes
_FUSED = ("conv", "depthwise", "linear", "add", "pool")
"""Kinds of steps that apply a ReLU to their result as they write it."""


class Step(NamedTuple):
    """One kernel call: what it reads and the one tensor that it writes, which goes by its name.

    `kind` is "conv", "depthwise", "linear", "pool", "mean", "add", "multiply", "concatenate",
    "slice", "pad", "resize", "relu", "gate" or "zeros"; `size` says of a kernel how large ("3x3").
    `place` is that of the plan whose layer it belongs to, `shape` that of its result; `biases` are
    as many as a convolution or a linear layer has output channels. With `relu` it applies one to
    its result.
    """

    name: str
    place: str
    kind: str
    inputs: tuple[str, ...]
    shape: Shape
    weights: int = 0
    biases: int = 0
    size: str = ""
    relu: bool = False

    @property
    def bytes(self) -> int:
        """Of its result."""
        channels, height, width = self.shape
        return channels * height * width

    @property
    def flash_bytes(self) -> int:
        """Of its weights and biases."""
        return self.weights + _BIAS * self.biases

    def __str__(self) -> str:
        return (
            f"{self.place} ({self.kind} {self.size})"
            if self.size
            else f"{self.place} ({self.kind})"
        )


@dataclass(frozen=True)
class Int8Network:
    """Steps in the order of computing; the last one's result is the network's."""

    input_shape: Shape
    steps: tuple[Step, ...]

    @cached_property
    def flash_bytes(self) -> int:
        """Of all weights: one for each, and four for every output channel of what has weights.

        It is what vendors' tools report as weights; scales, names, graph and code come on top.
        """
        return sum(step.flash_bytes for step in self.steps)


class Writer:
    """Writes steps down: every method takes names of tensors and returns that of its result.

    A convolution keeps ceil(size / stride) pixels a side, as padding "same" does.
    """

    def __init__(self, input_shape: Shape) -> None:
        self.place = ""
        self.shapes = {IMAGES: input_shape}
        self._steps: list[Step] = []
        self._rectified: dict[str, str] = {}

    def conv(
        self,
        read: str,
        channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        *,
        valid: bool = False,
    ) -> str:
        """A convolution with biases; `valid`: nothing is padded."""
        high, wide = _sides(kernel)
        shape = self._convolved(read, channels, (high, wide), stride, valid)
        weights = channels * self.shapes[read][0] * high * wide
        return self._add("conv", (read,), shape, weights, channels, f"{high}x{wide}")

    def depthwise(
        self, read: str, kernel: int | tuple[int, int], stride: int = 1, *, valid: bool = False
    ) -> str:
        """One kernel for every channel, with biases."""
        (high, wide), channels = _sides(kernel), self.shapes[read][0]
        shape = self._convolved(read, channels, (high, wide), stride, valid)
        return self._add(
            "depthwise", (read,), shape, channels * high * wide, channels, f"{high}x{wide}"
        )

    def linear(self, read: str, channels: int) -> str:
        """A linear layer over all values of what it reads."""
        into = _values(self.shapes[read])
        return self._add("linear", (read,), (channels, 1, 1), into * channels, channels)

    def norm(self, read: str) -> str:
        """A batch norm that no convolution takes in: a depthwise one of one pixel."""
        return self.depthwise(read, 1)

    def relu(self, read: str) -> str:
        """A ReLU or ReLU6: the same one for all who ask."""
        if read not in self._rectified:
            self._rectified[read] = self._add("relu", (read,), self.shapes[read])
        return self._rectified[read]

    def gate(self, read: str) -> str:
        """A sigmoid, a hard sigmoid or a hard swish: a step of its own."""
        return self._add("gate", (read,), self.shapes[read])

    def pool(self, read: str, stride: int) -> str:
        """Average or max pooling."""
        return self._add("pool", (read,), self._strided(read, stride))

    def mean(self, read: str) -> str:
        """Global average pooling."""
        return self._add("mean", (read,), (self.shapes[read][0], 1, 1))

    def add(self, first: str, second: str) -> str:
        """The sum of two."""
        return self._add("add", (first, second), self.shapes[first])

    def multiply(self, state: str, scale: str) -> str:
        """The product of a state with a scale for every value or every channel."""
        return self._add("multiply", (state, scale), self.shapes[state])

    def concatenate(self, reads: Sequence[str]) -> str:
        """All channels side by side."""
        channels = sum(self.shapes[read][0] for read in reads)
        return self._add("concatenate", tuple(reads), (channels, *self.shapes[reads[0]][1:]))

    def cut(self, read: str, shape: Shape, kind: str = "slice") -> str:
        """A copy of a part; or of all with a border ("pad") or in another size ("resize")."""
        return self._add(kind, (read,), shape)

    def zeros(self, shape: Shape) -> str:
        """Nothing, as a tensor."""
        return self._add("zeros", (), shape)

    def network(self, output: str) -> Int8Network:
        """What is needed for `output`, with every ReLU fused that can be."""
        needed, kept = {output}, list[Step]()
        for step in reversed(self._steps):
            if step.name in needed:
                needed.update(step.inputs)
                kept.append(step)
        return Int8Network(self.shapes[IMAGES], tuple(_fused(kept[::-1], output)))

    def _convolved(
        self, read: str, channels: int, kernel: tuple[int, int], stride: int, valid: bool
    ) -> Shape:
        if not valid:
            return channels, *self._strided(read, stride)[1:]
        _, height, width = self.shapes[read]
        return (
            channels,
            -(-(height - kernel[0] + 1) // stride),
            -(-(width - kernel[1] + 1) // stride),
        )

    def _strided(self, read: str, stride: int) -> Shape:
        channels, height, width = self.shapes[read]
        return channels, -(-height // stride), -(-width // stride)

    def _add(
        self,
        kind: str,
        inputs: tuple[str, ...],
        shape: Shape,
        weights: int = 0,
        biases: int = 0,
        size: str = "",
    ) -> str:
        name = f"{self.place}/{len(self._steps)}"
        self.shapes[name] = shape
        self._steps.append(Step(name, self.place, kind, inputs, shape, weights, biases, size))
        return name


def _fused(steps: Sequence[Step], output: str) -> Iterator[Step]:
    """The steps without those ReLUs that alone read what a step of a fusing kind writes."""
    readers = Counter(read for step in steps for read in step.inputs)
    readers[output] += 1
    kinds = {step.name: step.kind for step in steps}
    instead = {  # a ReLU that is left out -> whose result it is now
        step.name: step.inputs[0]
        for step in steps
        if step.kind == "relu"
        and readers[step.inputs[0]] == 1
        and kinds.get(step.inputs[0]) in _FUSED
    }
    rectified = frozenset(instead.values())
    for step in steps:
        if step.name not in instead:
            inputs = tuple(instead.get(read, read) for read in step.inputs)
            yield step._replace(inputs=inputs, relu=step.name in rectified)


def _sides(kernel: int | tuple[int, int]) -> tuple[int, int]:
    return (kernel, kernel) if isinstance(kernel, int) else kernel


def _values(shape: Shape) -> int:
    channels, height, width = shape
    return channels * height * width
