"""What the blocks of mobile networks cost, in closed form; no torch.

Held to counts of the modules themselves by `tests/unit/costs/test_formulas.py`.
"""

from __future__ import annotations

from nascli.core.channels import expanded, passing, squeezed
from nascli.core.plan import Layer
from nascli.costs.cost import NOTHING, Cost
from nascli.costs.steps import (
    Shape,
    chain,
    convolution,
    depthwise,
    linear,
    norm,
    plain,
    read,
    relu,
)


def conv_norm(layer: Layer, kernel: int = 3, activation: str = "relu6") -> Cost:
    """`operations.inverted.ConvNorm`."""
    given = read(layer)
    out = given.strided(layer.stride, layer.out_channels)
    first = convolution(given, layer.out_channels, kernel, layer.stride)
    return chain(first, *_normed(out, activation))


def identity(layer: Layer) -> Cost:
    """`operations.inverted.identity`."""
    if layer.stride == 1 and layer.in_channels == layer.out_channels:
        return NOTHING
    return conv_norm(layer, 1, "linear")


def depthwise_separable(layer: Layer, kernel: int = 3, activation: str = "relu6") -> Cost:
    """`operations.inverted.DepthwiseSeparable`."""
    given = read(layer)
    narrow = given.strided(layer.stride)
    out = narrow._replace(channels=layer.out_channels)
    return chain(
        depthwise(given, kernel, layer.stride),
        *_normed(narrow, activation),
        convolution(narrow, out.channels, 1),
        *_normed(out, activation),
    )


def inverted(
    layer: Layer,
    kernel: int = 3,
    expansion: float = 6,
    activation: str = "relu6",
    squeeze: str = "none",
    keep: bool = False,
) -> Cost:
    """`operations.inverted.InvertedResidual`."""
    given = read(layer)
    inside = given._replace(channels=expanded(given.channels, expansion))
    narrow = inside.strided(layer.stride)
    steps = []
    if expansion != 1 or keep:
        steps += [convolution(given, inside.channels, 1), *_normed(inside, activation)]
    steps += [depthwise(inside, kernel, layer.stride), *_normed(narrow, activation)]
    if squeeze != "none":
        channels = squeezed(squeeze, given.channels, inside.channels)
        steps.append(_squeeze_excite(narrow, channels, activation if squeeze == "se" else "relu"))
    out = narrow._replace(channels=layer.out_channels)
    # Where the input is added, the sum holds two such tensors, as the last batch norm did.
    return chain(*steps, convolution(narrow, out.channels, 1), norm(out))


def _squeeze_excite(given: Shape, channels: int, activation: str) -> Cost:
    """Pool, two 1x1 convolutions with biases, a gate; then the product."""
    pixel, narrow = Shape(given.channels, 1, 1), Shape(channels, 1, 1)
    between = [] if activation == "linear" else [relu(narrow)]
    first, second = linear(given.channels, channels), linear(channels, given.channels)
    scale = chain(plain(0, 0, pixel), first, *between, second, relu(pixel))
    peak = max(scale.peak_bytes, scale.output_bytes + given.bytes)
    return Cost(scale.params, scale.macs, peak, given.bytes)


def hidden_classifier(layer: Layer, hidden: int, activation: str = "hswish") -> Cost:
    """`operations.inverted.HiddenClassifier`."""
    narrow = Shape(hidden, 1, 1)
    between = [] if activation == "linear" else [relu(narrow)]
    pooled = plain(0, 0, Shape(layer.in_channels, 1, 1))
    first, last = linear(layer.in_channels, hidden), linear(hidden, layer.out_channels)
    return chain(pooled, first, *between, last)


def shuffle(layer: Layer, kernel: int = 3, xception: bool = False) -> Cost | None:
    """`operations.shuffle.ShuffleBlock`; the halves of a block that keeps its shape are views."""
    given, stride = read(layer), layer.stride
    if layer.out_channels < 2:
        return None
    out = given.strided(stride, layer.out_channels)
    others = passing(layer.in_channels, layer.out_channels, stride)
    whole = stride > 1 or layer.in_channels != layer.out_channels
    state = given if whole else given._replace(channels=given.channels - others)
    inside, made = layer.out_channels // 2, layer.out_channels - others
    steps: list[Cost] = []
    if xception:
        for number, channels in enumerate((inside, inside, made)):
            by = 1 if number else stride
            steps += [depthwise(state, kernel, by), norm(state.strided(by))]
            state = state.strided(by)
            steps += _pointwise(state, channels)
            state = state._replace(channels=channels)
    else:
        wide = state._replace(channels=inside)
        narrow = wide.strided(stride)
        steps += [*_pointwise(state, inside), depthwise(wide, kernel, stride), norm(narrow)]
        steps += _pointwise(narrow, made)
    main = chain(*steps)
    if not whole:
        return main._replace(
            peak_bytes=max(main.peak_bytes, main.output_bytes + out.bytes), output_bytes=out.bytes
        )
    small = given.strided(stride)
    other = chain(depthwise(given, kernel, stride), norm(small), *_pointwise(small, others))
    peak = max(other.peak_bytes, other.output_bytes + main.peak_bytes, 2 * out.bytes)
    return Cost(main.params + other.params, main.macs + other.macs, peak, out.bytes)


def _pointwise(given: Shape, channels: int) -> list[Cost]:
    """A 1x1 convolution, batch norm and ReLU."""
    out = given._replace(channels=channels)
    return [convolution(given, channels, 1), norm(out), relu(out)]


def _normed(shape: Shape, activation: str) -> list[Cost]:
    """Batch norm and activation; none for "linear"."""
    return [norm(shape)] if activation == "linear" else [norm(shape), relu(shape)]
