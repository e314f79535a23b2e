"""What single steps of layers cost, and layers put together of them; no torch."""

from __future__ import annotations

from typing import NamedTuple

from nascli.core.plan import Layer
from nascli.costs.cost import Cost

FLOAT = 4  # bytes of a value


class Shape(NamedTuple):
    """Channels, height and width."""

    channels: int
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Of one channel."""
        return self.height * self.width

    @property
    def bytes(self) -> int:
        """Of all values."""
        return FLOAT * self.channels * self.pixels

    def strided(self, stride: int, channels: int | None = None) -> Shape:
        """After a padded convolution or pool."""
        height, width = -(-self.height // stride), -(-self.width // stride)
        return Shape(self.channels if channels is None else channels, height, width)


def read(layer: Layer) -> Shape:
    """That of a layer's input."""
    return Shape(layer.in_channels, layer.height, layer.width)


def plain(params: int, macs: int, out: Shape) -> Cost:
    """A step that allocates its output and nothing else."""
    return Cost(params, macs, out.bytes, out.bytes)


def convolution(given: Shape, channels: int, kernel: int, stride: int = 1) -> Cost:
    """Without bias."""
    out = given.strided(stride, channels)
    weights = channels * given.channels * kernel**2
    return plain(weights, weights * out.pixels, out)


def depthwise(given: Shape, kernel: int, stride: int = 1) -> Cost:
    """A kernel for every channel, without bias."""
    out = given.strided(stride)
    weights = given.channels * kernel**2
    return plain(weights, weights * out.pixels, out)


def norm(shape: Shape) -> Cost:
    """Batch norm with scale and shift."""
    return plain(2 * shape.channels, 0, shape)


def relu(shape: Shape) -> Cost:
    """A ReLU, or any other activation that makes a tensor of its own."""
    return plain(0, 0, shape)


def chain(*steps: Cost) -> Cost:
    """Steps one after another, as `nn.Sequential` runs them: each holds its input while it runs."""
    held = peak = 0
    for step in steps:
        peak = max(peak, held + step.peak_bytes)
        held = step.output_bytes
    return Cost(sum(s.params for s in steps), sum(s.macs for s in steps), peak, held)


def relu_first(given: Shape, body: Cost, out: Shape) -> Cost:
    """ReLU, body, batch norm; what the ReLU gives is held until the end."""
    rest = chain(body, norm(out))
    peak = given.bytes + rest.peak_bytes
    return Cost(rest.params, rest.macs, peak, rest.output_bytes)


def linear(given: int, channels: int) -> Cost:
    """A linear layer with bias, which counts one multiply-add for each output."""
    values = (given + 1) * channels
    return plain(values, values, Shape(channels, 1, 1))
