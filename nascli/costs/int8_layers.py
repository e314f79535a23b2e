"""What steps the layers of a plan are on a microcontroller; no torch.

`tests/unit/costs/test_int8.py` holds the weights of every one to those of the module itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nascli.core.channels import expanded, passing, squeezed
from nascli.core.fault import Fault
from nascli.core.operation import origin
from nascli.core.plan import IMAGES, Layer, Plan
from nascli.costs.int8 import Int8Network, Writer

Writing = Callable[..., str]
"""(writer, layer, name of the tensor it reads, further arguments) -> name of the result."""


def int8_network(plan: Plan, operations: Mapping[str, Any]) -> Int8Network:
    """The network of `plan`, which leaves nothing open; its auxiliary head does not run.

    Args:
        plan: of a genotype.
        operations: those of its space (see `nascli.operations.resolve`).

    Raises:
        Fault: it has an operation of the user's own.
    """
    write = Writer(plan.input_shape)
    names = {IMAGES: IMAGES}  # a place -> its tensor
    for place in plan.places:
        if place.name == plan.auxiliary:
            continue
        write.place = place.name
        reads = [names[name] for name in place.inputs]
        if place.layer is not None:
            names[place.name] = of_layer(write, place.layer, reads[0], operations)
        elif place.kind == "concatenate":
            names[place.name] = write.concatenate(reads)
        elif reads:
            total = reads[0]
            for read in reads[1:]:
                total = write.add(total, read)
            names[place.name] = total
        else:
            names[place.name] = write.zeros(place.shape)
    return write.network(names[plan.output])


def of_layer(write: Writer, layer: Layer, read: str, operations: Mapping[str, Any]) -> str:
    """Writes the steps of one layer down.

    Raises:
        Fault: it is an operation of the user's own.
    """
    if layer.operation in _FIXED and layer.operation not in operations:
        return _FIXED[layer.operation](write, layer, read)
    if layer.operation not in operations:
        raise _unknown(f"'{layer.operation}'")
    path, arguments = origin(operations[layer.operation])
    check({layer.operation: operations[layer.operation]})
    return _KNOWN[path](write, layer, read, **{**arguments, **dict(layer.settings)})


def check(operations: Mapping[str, Any]) -> None:
    """Raises a Fault that names those which are the user's own."""
    found = [(name, origin(made)[0]) for name, made in operations.items()]
    own = [f"'{name}' ({path})" for name, path in found if path not in _KNOWN]
    if own:
        raise _unknown(", ".join(own))


def _unknown(operations: str) -> Fault:
    return Fault(
        f"device=mcu does not know what operation {operations} is on a microcontroller; it knows "
        "those of nas list operation: leave the other out of the space, or take device=none"
    )


def _relu_conv_norm(write: Writer, layer: Layer, read: str, kernel: int = 1) -> str:
    return write.conv(write.relu(read), layer.out_channels, kernel, layer.stride)


def _separable(write: Writer, layer: Layer, read: str, kernel: int) -> str:
    state = write.depthwise(write.relu(read), kernel, layer.stride)
    state = write.depthwise(write.relu(write.conv(state, layer.in_channels, 1)), kernel)
    return write.conv(state, layer.out_channels, 1)


def _dilated(write: Writer, layer: Layer, read: str, kernel: int) -> str:
    state = write.depthwise(write.relu(read), kernel, layer.stride)
    return write.conv(state, layer.out_channels, 1)


def _factorized(write: Writer, layer: Layer, read: str) -> str:
    """Two 1x1 convolutions one pixel apart: the second reads a copy that is shifted."""
    state, first = write.relu(read), layer.out_channels // 2
    even = write.conv(state, first, 1, 2)
    channels, height, width = write.shapes[state]
    shifted = write.cut(state, (channels, height - 1, width - 1))
    if height % 2 or width % 2:
        grown = (channels, height - 1 + height % 2, width - 1 + width % 2)
        shifted = write.cut(shifted, grown, "pad")
    return write.concatenate([even, write.conv(shifted, layer.out_channels - first, 1, 2)])


def _skip(write: Writer, layer: Layer, read: str) -> str:
    if layer.stride == 2:
        return _factorized(write, layer, read)
    if layer.in_channels != layer.out_channels:
        return _relu_conv_norm(write, layer, read)
    return read


def _zero(write: Writer, layer: Layer, _read: str) -> str:
    return write.zeros(layer.shape)


def _pool(write: Writer, layer: Layer, read: str, kernel: int = 3) -> str:
    del kernel
    state = write.pool(read, layer.stride)
    if layer.in_channels == layer.out_channels:
        return state
    return write.conv(write.relu(state), layer.out_channels, 1)


def _conv_norm(
    write: Writer, layer: Layer, read: str, kernel: int = 3, activation: str = "relu6"
) -> str:
    return _active(write, write.conv(read, layer.out_channels, kernel, layer.stride), activation)


def _depthwise_separable(
    write: Writer, layer: Layer, read: str, kernel: int = 3, activation: str = "relu6"
) -> str:
    state = _active(write, write.depthwise(read, kernel, layer.stride), activation)
    return _active(write, write.conv(state, layer.out_channels, 1), activation)


def _identity(write: Writer, layer: Layer, read: str) -> str:
    if layer.stride == 1 and layer.in_channels == layer.out_channels:
        return read
    return _conv_norm(write, layer, read, 1, "linear")


def _inverted(
    write: Writer,
    layer: Layer,
    read: str,
    kernel: int = 3,
    expansion: float = 6,
    activation: str = "relu6",
    squeeze: str = "none",
    keep: bool = False,
) -> str:
    state, inside = read, expanded(layer.in_channels, expansion)
    if expansion != 1 or keep:
        state = _active(write, write.conv(state, inside, 1), activation)
    state = _active(write, write.depthwise(state, kernel, layer.stride), activation)
    if squeeze != "none":
        narrow = squeezed(squeeze, layer.in_channels, inside)
        scale = write.conv(write.mean(state), narrow, 1)
        scale = _active(write, scale, activation if squeeze == "se" else "relu")
        state = write.multiply(state, write.gate(write.conv(scale, inside, 1)))
    state = write.conv(state, layer.out_channels, 1)
    residual = layer.stride == 1 and layer.in_channels == layer.out_channels
    return write.add(read, state) if residual else state


def _active(write: Writer, state: str, activation: str) -> str:
    """Behind an activation: `swish` is a sigmoid and a product, all others one step or none."""
    if activation == "linear":
        return state
    if activation in ("relu", "relu6"):
        return write.relu(state)
    scale = write.gate(state)
    return write.multiply(state, scale) if activation == "swish" else scale


def _hidden_classifier(
    write: Writer, layer: Layer, read: str, hidden: int, activation: str = "hswish"
) -> str:
    state = _active(write, write.linear(write.mean(read), hidden), activation)
    return write.linear(state, layer.out_channels)


def _shuffle(
    write: Writer, layer: Layer, read: str, kernel: int = 3, xception: bool = False
) -> str:
    stride, inside = layer.stride, layer.out_channels // 2
    others = passing(layer.in_channels, layer.out_channels, stride)
    made, state = layer.out_channels - others, read
    passes = stride == 1 and layer.in_channels == layer.out_channels
    if passes:
        _, height, width = write.shapes[read]
        other = write.cut(read, (others, height, width))
        state = write.cut(read, (layer.in_channels - others, height, width))
    else:
        other = write.relu(write.conv(write.depthwise(read, kernel, stride), others, 1))
    if xception:
        for number, channels in enumerate((inside, inside, made)):
            state = write.depthwise(state, kernel, 1 if number else stride)
            state = write.relu(write.conv(state, channels, 1))
    else:
        state = write.relu(write.conv(state, inside, 1))
        state = write.relu(write.conv(write.depthwise(state, kernel, stride), made, 1))
    return write.concatenate([other, state])


def _stem(write: Writer, layer: Layer, read: str) -> str:
    return write.conv(read, layer.out_channels, 3, layer.stride)


def _stem0(write: Writer, layer: Layer, read: str) -> str:
    state = write.relu(write.conv(read, layer.out_channels // 2, 3, 2))
    return write.conv(state, layer.out_channels, 3, 2)


def _stem1(write: Writer, layer: Layer, read: str) -> str:
    return write.conv(write.relu(read), layer.out_channels, 3, layer.stride)


def _preprocess(write: Writer, layer: Layer, read: str) -> str:
    return (_factorized if layer.stride == 2 else _relu_conv_norm)(write, layer, read)


def _residual_reduction(write: Writer, layer: Layer, read: str) -> str:
    channels = layer.out_channels
    state = write.conv(write.relu(read), channels, 3, 2)
    state = write.conv(write.relu(state), channels, 3)
    return write.add(state, write.conv(write.pool(read, 2), channels, 1))


def _norm_relu(write: Writer, _layer: Layer, read: str) -> str:
    return write.relu(write.norm(read))


def _resize(write: Writer, layer: Layer, read: str) -> str:
    return write.cut(read, layer.shape, "resize")


def _classifier(write: Writer, layer: Layer, read: str) -> str:
    return write.linear(write.mean(read), layer.out_channels)


_KNOWN: Mapping[str, Writing] = {
    "nascli.operations.skip.skip_connect": _skip,
    "nascli.operations.skip.Zero": _zero,
    "nascli.operations.convolution.ReluConvNorm": _relu_conv_norm,
    "nascli.operations.separable.SeparableConv": _separable,
    "nascli.operations.separable.DilatedConv": _dilated,
    "nascli.operations.pool.average_pool": _pool,
    "nascli.operations.pool.max_pool": _pool,
    "nascli.operations.inverted.ConvNorm": _conv_norm,
    "nascli.operations.inverted.DepthwiseSeparable": _depthwise_separable,
    "nascli.operations.inverted.identity": _identity,
    "nascli.operations.inverted.InvertedResidual": _inverted,
    "nascli.operations.inverted.HiddenClassifier": _hidden_classifier,
    "nascli.operations.shuffle.ShuffleBlock": _shuffle,
}
"""Import path of what builds an operation -> its steps."""
_FIXED: Mapping[str, Writing] = {
    "stem": _stem,
    "stem0": _stem0,
    "stem1": _stem1,
    "preprocess": _preprocess,
    "residual_reduction": _residual_reduction,
    "norm_relu": _norm_relu,
    "resize": _resize,
    "classifier": _classifier,
}
