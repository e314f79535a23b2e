"""What the shipped operations and fixed layers cost, in closed form; no torch.

Every formula is held to a count of the module itself by `tests/unit/costs/test_formulas.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nascli.core.operation import origin, wrong
from nascli.core.plan import Layer
from nascli.costs.blocks import (
    conv_norm,
    depthwise_separable,
    hidden_classifier,
    identity,
    inverted,
    shuffle,
)
from nascli.costs.cost import NOTHING, Cost
from nascli.costs.steps import (
    FLOAT,
    Shape,
    chain,
    convolution,
    depthwise,
    linear,
    norm,
    plain,
    read,
    relu,
    relu_first,
)

_INDEX = 8  # bytes of an index that max pooling makes beside a value
_HIDDEN, _FEATURES, _POOLED = 128, 768, 2  # channels and pixels inside the auxiliary head


Formula = Callable[..., Cost | None]
"""The cost of a layer, with an operation's further arguments; None if it cannot be built so."""


def cost_of(layer: Layer, operation: object = None) -> Cost | None:
    """What `layer` costs, by formula; None where there is none.

    Args:
        layer: with the name of an operation, or of a fixed layer.
        operation: what builds it if it is one of a space's operations: a config with a `_target_`,
            or a callable. The formula goes by that and not by the name, which is the user's. The
            layer's settings are further arguments of it.
    """
    if operation is None:
        fixed = _FIXED.get(layer.operation)
        return fixed(layer) if fixed else None
    path, arguments = origin(operation)
    arguments = {**arguments, **dict(layer.settings)}
    if path not in _OF_OPERATIONS or wrong({layer.operation: {"_target_": path, **arguments}}):
        return None
    return _OF_OPERATIONS[path](layer, **arguments)


def relu_conv_norm(layer: Layer, kernel: int = 1) -> Cost:
    """`operations.convolution.ReluConvNorm`."""
    given = read(layer)
    body = convolution(given, layer.out_channels, kernel, layer.stride)
    return relu_first(given, body, given.strided(layer.stride, layer.out_channels))


def separable(layer: Layer, kernel: int) -> Cost:
    """`operations.separable.SeparableConv`."""
    given, channels = read(layer), layer.in_channels
    inner = given.strided(layer.stride)
    body = chain(
        depthwise(given, kernel, layer.stride),
        convolution(inner, channels, 1),
        norm(inner),
        relu(inner),
        depthwise(inner, kernel),
        convolution(inner, layer.out_channels, 1),
    )
    return relu_first(given, body, inner._replace(channels=layer.out_channels))


def dilated(layer: Layer, kernel: int) -> Cost:
    """`operations.separable.DilatedConv`."""
    given = read(layer)
    inner = given.strided(layer.stride)
    body = chain(depthwise(given, kernel, layer.stride), convolution(inner, layer.out_channels, 1))
    return relu_first(given, body, inner._replace(channels=layer.out_channels))


def factorized(layer: Layer) -> Cost:
    """`operations.skip.FactorizedReduction`, always at stride 2.

    Of an odd size, a padded copy is made for the second half, without the first row and column.
    """
    given, channels = read(layer), layer.out_channels
    first = channels // 2
    even = convolution(given, first, 1, 2)
    odd = convolution(given, channels - first, 1, 2)
    grown = Shape(
        given.channels,
        given.height - 1 + given.height % 2,
        given.width - 1 + given.width % 2,
    )
    padded = grown.bytes if given.height % 2 or given.width % 2 else 0
    out = given.strided(2, channels)
    halves = even.output_bytes + odd.output_bytes
    peak = max(halves + padded, halves + out.bytes)
    body = Cost(even.params + odd.params, even.macs + odd.macs, peak, out.bytes)
    return relu_first(given, body, out)


def skip(layer: Layer) -> Cost:
    """`operations.skip.skip_connect`."""
    if layer.stride == 2:
        return factorized(layer)
    if layer.in_channels != layer.out_channels:
        return relu_conv_norm(layer, 1)
    return NOTHING


def zero(layer: Layer) -> Cost:
    """`operations.skip.Zero`: one channel of zeros, then as many copies as are asked for."""
    one = read(layer).strided(layer.stride, 1)
    out = one._replace(channels=layer.out_channels)
    return Cost(0, 0, out.bytes + (one.bytes if out.channels > 1 else 0), out.bytes)


def average_pool(layer: Layer, kernel: int = 3) -> Cost:
    """`operations.pool.average_pool`."""
    del kernel  # the sides of what it makes do not depend on it
    return _projected(layer, plain(0, 0, read(layer).strided(layer.stride)))


def max_pool(layer: Layer, kernel: int = 3) -> Cost:
    """`operations.pool.max_pool`; it makes an index of 8 bytes beside every value."""
    del kernel
    out = read(layer).strided(layer.stride)
    return _projected(layer, Cost(0, 0, out.bytes // FLOAT * (FLOAT + _INDEX), out.bytes))


def _projected(layer: Layer, pool: Cost) -> Cost:
    """The pool, and a projection behind it where channels change."""
    if layer.in_channels == layer.out_channels:
        return pool
    _, height, width = read(layer).strided(layer.stride)
    behind = Layer(layer.operation, layer.in_channels, layer.out_channels, 1, height, width)
    return chain(pool, relu_conv_norm(behind, 1))


def stem(layer: Layer) -> Cost:
    """One 3x3 convolution and batch norm."""
    return _stem(layer, (layer.out_channels,), (layer.stride,))


def stem0(layer: Layer) -> Cost:
    """The first of the ImageNet stem: two convolutions at stride 2, half the channels first."""
    return _stem(layer, (layer.out_channels // 2, layer.out_channels), (2, 2))


def stem1(layer: Layer) -> Cost:
    """The second of the ImageNet stem: it begins with a ReLU."""
    return _stem(layer, (layer.out_channels,), (layer.stride,), relu_first=True)


def _stem(
    layer: Layer, channels: tuple[int, ...], strides: tuple[int, ...], *, relu_first: bool = False
) -> Cost:
    state = read(layer)
    steps: list[Cost] = []
    for index, (out, stride) in enumerate(zip(channels, strides, strict=True)):
        if index or relu_first:
            steps.append(relu(state))
        steps.append(convolution(state, out, 3, stride))
        state = state.strided(stride, out)
        steps.append(norm(state))
    return chain(*steps)


def preprocess(layer: Layer) -> Cost:
    """What brings an input of a cell to its channels and size."""
    return factorized(layer) if layer.stride == 2 else relu_conv_norm(layer, 1)


def residual_reduction(layer: Layer) -> Cost:
    """`networks.fixed.ResidualReduction`; the shortcut runs after the two convolutions."""
    given, channels = read(layer), layer.out_channels
    first = relu_conv_norm(layer, 3)
    out = given.strided(2, channels)
    second = relu_first(out, convolution(out, channels, 3), out)
    pooled = given.strided(2)
    shortcut = chain(plain(0, 0, pooled), convolution(pooled, channels, 1))
    parts = (first, second, shortcut)
    # What the shortcut and the sum hold is less than what the first ReLU and its readers do.
    peak = max(first.peak_bytes, first.output_bytes + second.peak_bytes)
    return Cost(sum(p.params for p in parts), sum(p.macs for p in parts), peak, out.bytes)


def norm_relu(layer: Layer) -> Cost:
    """`networks.fixed.NormRelu`."""
    given = read(layer)
    return chain(norm(given), relu(given))


def resize(layer: Layer) -> Cost:
    """`networks.fixed.Resize`; interpolation counts no multiply-adds, as pooling does not."""
    return plain(0, 0, Shape(*layer.shape))


def classifier(layer: Layer) -> Cost:
    """Global average pooling and a linear layer with bias."""
    return chain(
        plain(0, 0, Shape(layer.in_channels, 1, 1)), linear(layer.in_channels, layer.out_channels)
    )


def auxiliary_head(layer: Layer) -> Cost:
    """`networks.fixed.AuxiliaryHead`; no network that is only evaluated runs it."""
    given = read(layer)
    pooled = Shape(given.channels, _POOLED, _POOLED)
    hidden, features = pooled._replace(channels=_HIDDEN), Shape(_FEATURES, 1, 1)
    weights = _FEATURES * _HIDDEN * _POOLED**2
    last = [] if dict(layer.settings).get("imagenet") else [norm(features)]
    return chain(
        relu(given),
        plain(0, 0, pooled),
        convolution(pooled, _HIDDEN, 1),
        norm(hidden),
        relu(hidden),
        plain(weights, weights, features),
        *last,
        relu(features),
        linear(_FEATURES, layer.out_channels),
    )


_OF_OPERATIONS: Mapping[str, Formula] = {
    "nascli.operations.skip.skip_connect": skip,
    "nascli.operations.skip.Zero": zero,
    "nascli.operations.convolution.ReluConvNorm": relu_conv_norm,
    "nascli.operations.separable.SeparableConv": separable,
    "nascli.operations.separable.DilatedConv": dilated,
    "nascli.operations.pool.average_pool": average_pool,
    "nascli.operations.pool.max_pool": max_pool,
    "nascli.operations.inverted.ConvNorm": conv_norm,
    "nascli.operations.inverted.DepthwiseSeparable": depthwise_separable,
    "nascli.operations.inverted.identity": identity,
    "nascli.operations.inverted.InvertedResidual": inverted,
    "nascli.operations.inverted.HiddenClassifier": hidden_classifier,
    "nascli.operations.shuffle.ShuffleBlock": shuffle,
}
_FIXED: Mapping[str, Formula] = {
    "stem": stem,
    "stem0": stem0,
    "stem1": stem1,
    "preprocess": preprocess,
    "residual_reduction": residual_reduction,
    "norm_relu": norm_relu,
    "resize": resize,
    "classifier": classifier,
    "auxiliary_head": auxiliary_head,
}
