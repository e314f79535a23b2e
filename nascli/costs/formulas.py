"""What the shipped operations and fixed layers cost, in closed form; no torch.

Every formula is held to a count of the module itself by `tests/unit/costs/test_formulas.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from nascli.core.plan import Layer
from nascli.costs.cost import Cost

_FLOAT, _INDEX = 4, 8  # bytes of a value, and of an index that max pooling makes beside it
_HIDDEN, _FEATURES, _POOLED = 128, 768, 2  # channels and pixels inside the auxiliary head


Formula = Callable[[Layer], Cost | None]
"""The cost of a layer; None if the operation cannot be built so."""

NOTHING = Cost(0, 0, 0, 0, returns_input=True)


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
    path, arguments = _origin(operation)
    arguments = {**arguments, **dict(layer.settings)}
    if path in _PLAIN and not arguments:
        return _PLAIN[path](layer)
    if path not in _WITH_KERNEL or not arguments.keys() <= {"kernel"}:
        return None
    kernel = arguments.get("kernel", _KERNELS.get(path))
    if type(kernel) is not int or kernel < 1 or kernel % 2 == 0:
        return None
    return _WITH_KERNEL[path](layer, kernel)


def shipped(operation: object) -> bool:
    """Whether an operation of a space is one that comes with this package."""
    return _origin(operation)[0].startswith("nascli.operations.")


def _origin(operation: object) -> tuple[str, Mapping[str, Any]]:
    """The import path of what builds an operation, and the further arguments that it is given."""
    if isinstance(operation, Mapping):
        given = {key: value for key, value in operation.items() if key not in _HYDRA}
        return str(operation.get("_target_")), given
    if isinstance(operation, partial) and not operation.args:
        return _origin(operation.func)[0], operation.keywords
    module, name = (getattr(operation, key, "") for key in ("__module__", "__qualname__"))
    return f"{module}.{name}", {}


_HYDRA = {"_target_", "_partial_"}


class _Shape(NamedTuple):
    """Channels, height and width."""

    channels: int
    height: int
    width: int

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def bytes(self) -> int:
        return _FLOAT * self.channels * self.pixels

    def strided(self, stride: int, channels: int | None = None) -> _Shape:
        """After a padded convolution or pool."""
        height, width = -(-self.height // stride), -(-self.width // stride)
        return _Shape(self.channels if channels is None else channels, height, width)


def _read(layer: Layer) -> _Shape:
    return _Shape(layer.in_channels, layer.height, layer.width)


def _plain(params: int, macs: int, out: _Shape) -> Cost:
    """A step that allocates its output and nothing else."""
    return Cost(params, macs, out.bytes, out.bytes)


def _convolution(given: _Shape, channels: int, kernel: int, stride: int = 1) -> Cost:
    out = given.strided(stride, channels)
    weights = channels * given.channels * kernel**2
    return _plain(weights, weights * out.pixels, out)


def _depthwise(given: _Shape, kernel: int, stride: int = 1) -> Cost:
    out = given.strided(stride)
    weights = given.channels * kernel**2
    return _plain(weights, weights * out.pixels, out)


def _norm(shape: _Shape) -> Cost:
    return _plain(2 * shape.channels, 0, shape)


def _relu(shape: _Shape) -> Cost:
    return _plain(0, 0, shape)


def _chain(*steps: Cost) -> Cost:
    """Steps one after another, as `nn.Sequential` runs them: each holds its input while it runs."""
    held = peak = 0
    for step in steps:
        peak = max(peak, held + step.peak_bytes)
        held = step.output_bytes
    return Cost(sum(s.params for s in steps), sum(s.macs for s in steps), peak, held)


def _relu_first(given: _Shape, body: Cost, out: _Shape) -> Cost:
    """ReLU, body, batch norm; what the ReLU gives is held until the end."""
    relu, rest = _relu(given), _chain(body, _norm(out))
    peak = relu.output_bytes + rest.peak_bytes
    return Cost(rest.params, rest.macs, peak, rest.output_bytes)


def relu_conv_norm(layer: Layer, kernel: int) -> Cost:
    """`operations.convolution.ReluConvNorm`."""
    given = _read(layer)
    body = _convolution(given, layer.out_channels, kernel, layer.stride)
    return _relu_first(given, body, given.strided(layer.stride, layer.out_channels))


def separable(layer: Layer, kernel: int) -> Cost:
    """`operations.separable.SeparableConv`."""
    given, channels = _read(layer), layer.in_channels
    inner = given.strided(layer.stride)
    body = _chain(
        _depthwise(given, kernel, layer.stride),
        _convolution(inner, channels, 1),
        _norm(inner),
        _relu(inner),
        _depthwise(inner, kernel),
        _convolution(inner, layer.out_channels, 1),
    )
    return _relu_first(given, body, inner._replace(channels=layer.out_channels))


def dilated(layer: Layer, kernel: int) -> Cost:
    """`operations.separable.DilatedConv`."""
    given = _read(layer)
    inner = given.strided(layer.stride)
    body = _chain(
        _depthwise(given, kernel, layer.stride), _convolution(inner, layer.out_channels, 1)
    )
    return _relu_first(given, body, inner._replace(channels=layer.out_channels))


def factorized(layer: Layer) -> Cost:
    """`operations.skip.FactorizedReduction`, always at stride 2.

    Of an odd size, a padded copy is made for the second half, without the first row and column.
    """
    given, channels = _read(layer), layer.out_channels
    first = channels // 2
    even = _convolution(given, first, 1, 2)
    odd = _convolution(given, channels - first, 1, 2)
    grown = _Shape(
        given.channels,
        given.height - 1 + given.height % 2,
        given.width - 1 + given.width % 2,
    )
    padded = grown.bytes if given.height % 2 or given.width % 2 else 0
    out = given.strided(2, channels)
    halves = even.output_bytes + odd.output_bytes
    peak = max(halves + padded, halves + out.bytes)
    body = Cost(even.params + odd.params, even.macs + odd.macs, peak, out.bytes)
    return _relu_first(given, body, out)


def skip(layer: Layer) -> Cost:
    """`operations.skip.skip_connect`."""
    if layer.stride == 2:
        return factorized(layer)
    if layer.in_channels != layer.out_channels:
        return relu_conv_norm(layer, 1)
    return NOTHING


def zero(layer: Layer) -> Cost:
    """`operations.skip.Zero`: one channel of zeros, then as many copies as are asked for."""
    one = _read(layer).strided(layer.stride, 1)
    out = one._replace(channels=layer.out_channels)
    return Cost(0, 0, out.bytes + (one.bytes if out.channels > 1 else 0), out.bytes)


def average_pool(layer: Layer, _kernel: int) -> Cost | None:
    """`operations.pool.average_pool`."""
    if layer.in_channels != layer.out_channels:
        return None
    return _plain(0, 0, _read(layer).strided(layer.stride))


def max_pool(layer: Layer, _kernel: int) -> Cost | None:
    """`operations.pool.max_pool`; it makes an index of 8 bytes beside every value."""
    if layer.in_channels != layer.out_channels:
        return None
    out = _read(layer).strided(layer.stride)
    return Cost(0, 0, out.bytes // _FLOAT * (_FLOAT + _INDEX), out.bytes)


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
    state = _read(layer)
    steps: list[Cost] = []
    for index, (out, stride) in enumerate(zip(channels, strides, strict=True)):
        if index or relu_first:
            steps.append(_relu(state))
        steps.append(_convolution(state, out, 3, stride))
        state = state.strided(stride, out)
        steps.append(_norm(state))
    return _chain(*steps)


def preprocess(layer: Layer) -> Cost:
    """What brings an input of a cell to its channels and size."""
    return factorized(layer) if layer.stride == 2 else relu_conv_norm(layer, 1)


def residual_reduction(layer: Layer) -> Cost:
    """`networks.fixed.ResidualReduction`; the shortcut runs after the two convolutions."""
    given, channels = _read(layer), layer.out_channels
    first = relu_conv_norm(layer, 3)
    out = given.strided(2, channels)
    second = _relu_first(out, _convolution(out, channels, 3), out)
    pooled = given.strided(2)
    shortcut = _chain(_plain(0, 0, pooled), _convolution(pooled, channels, 1))
    parts = (first, second, shortcut)
    # What the shortcut and the sum hold is less than what the first ReLU and its readers do.
    peak = max(first.peak_bytes, first.output_bytes + second.peak_bytes)
    return Cost(sum(p.params for p in parts), sum(p.macs for p in parts), peak, out.bytes)


def norm_relu(layer: Layer) -> Cost:
    """`networks.fixed.NormRelu`."""
    given = _read(layer)
    return _chain(_norm(given), _relu(given))


def classifier(layer: Layer) -> Cost:
    """Global average pooling and a linear layer with bias."""
    return _chain(_plain(0, 0, _Shape(layer.in_channels, 1, 1)), _linear(layer.in_channels, layer))


def _linear(channels: int, layer: Layer) -> Cost:
    values = (channels + 1) * layer.out_channels
    return _plain(values, values, _Shape(layer.out_channels, 1, 1))


def auxiliary_head(layer: Layer) -> Cost:
    """`networks.fixed.AuxiliaryHead`; no network that is only evaluated runs it."""
    given = _read(layer)
    pooled = _Shape(given.channels, _POOLED, _POOLED)
    hidden, features = pooled._replace(channels=_HIDDEN), _Shape(_FEATURES, 1, 1)
    weights = _FEATURES * _HIDDEN * _POOLED**2
    last = [] if dict(layer.settings).get("imagenet") else [_norm(features)]
    return _chain(
        _relu(given),
        _plain(0, 0, pooled),
        _convolution(pooled, _HIDDEN, 1),
        _norm(hidden),
        _relu(hidden),
        _plain(weights, weights, features),
        *last,
        _relu(features),
        _linear(_FEATURES, layer),
    )


_WITH_KERNEL: Mapping[str, Callable[[Layer, int], Cost | None]] = {
    "nascli.operations.convolution.ReluConvNorm": relu_conv_norm,
    "nascli.operations.separable.SeparableConv": separable,
    "nascli.operations.separable.DilatedConv": dilated,
    "nascli.operations.pool.average_pool": average_pool,
    "nascli.operations.pool.max_pool": max_pool,
}
_KERNELS = {  # unless the config says otherwise
    "nascli.operations.convolution.ReluConvNorm": 1,
    "nascli.operations.pool.average_pool": 3,
    "nascli.operations.pool.max_pool": 3,
}
_PLAIN: Mapping[str, Formula] = {
    "nascli.operations.skip.skip_connect": skip,
    "nascli.operations.skip.Zero": zero,
}
_FIXED: Mapping[str, Formula] = {
    "stem": stem,
    "stem0": stem0,
    "stem1": stem1,
    "preprocess": preprocess,
    "residual_reduction": residual_reduction,
    "norm_relu": norm_relu,
    "classifier": classifier,
    "auxiliary_head": auxiliary_head,
}
