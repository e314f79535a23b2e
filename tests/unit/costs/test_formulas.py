"""Every formula against a count of the module itself, run on shapes."""

import itertools
import re
from dataclasses import replace
from functools import partial

import pytest
import torch
from fixtures import composed, options
from omegaconf import OmegaConf
from torch import nn

from nascli.core.fault import Fault
from nascli.core.plan import Layer
from nascli.costs.count import count_layer
from nascli.costs.formulas import cost_of
from nascli.networks.building import FIXED, build
from nascli.operations import resolve
from nascli.operations.convolution import ReluConvNorm
from nascli.operations.pool import average_pool, max_pool
from nascli.operations.separable import DilatedConv, SeparableConv
from nascli.operations.skip import Zero, skip_connect

SIZES = [(8, 8), (7, 7), (9, 6), (6, 9), (5, 3), (2, 2), (1, 1)]
CHANNELS = [(4, 4), (6, 3), (3, 8), (1, 1), (5, 5)]
FEW = SIZES[1::2]  # odd and even, wide and flat, of one pixel across
# All sizes at two pairs of channels, all pairs of channels at few sizes.
LOOKED_AT = [
    (pair, size) for number, pair in enumerate(CHANNELS) for size in (SIZES if number < 2 else FEW)
]


def counted(module, layer):
    cost, uncounted, _ = count_layer(module, (layer.in_channels, layer.height, layer.width))
    assert uncounted == ()
    return cost


def operations():
    """Every shipped operation, with the config that stands in its file."""
    names = options("operation")
    config = composed(f"operation@space.operations=[{','.join(names)}]").space.operations
    yield from (OmegaConf.to_container(config)[name] for name in names)
    yield {"_target_": "nascli.operations.convolution.ReluConvNorm"}  # the kernel it has by itself
    yield {"_target_": "nascli.operations.pool.max_pool", "kernel": 5}
    yield {"_target_": "nascli.operations.pool.average_pool", "kernel": 1}
    path = "nascli.operations.inverted."
    yield {"_target_": path + "ConvNorm", "activation": "linear"}
    yield {"_target_": path + "DepthwiseSeparable", "activation": "linear", "kernel": 5}
    yield {"_target_": path + "InvertedResidual", "expansion": 1, "activation": "linear"}
    yield {"_target_": path + "InvertedResidual", "expansion": 1, "keep": True, "squeeze": "se"}
    yield {"_target_": path + "InvertedResidual", "expansion": 2.3, "squeeze": "se8", "kernel": 5}
    for activation in ("swish", "linear"):
        further = {"expansion": 4.5, "squeeze": "se", "activation": activation}
        yield {"_target_": path + "InvertedResidual", **further}
    yield {
        "_target_": path.replace("inverted", "shuffle") + "ShuffleBlock",
        "kernel": 5,
        "xception": True,
    }


@pytest.mark.parametrize("config", list(operations()), ids=str)
def test_operations(config):
    factory = resolve({"any": config})["any"]
    blocks = re.search("inverted|shuffle", config["_target_"])  # many, and of many steps
    cases = [*itertools.product(LOOKED_AT[::3] if blocks else LOOKED_AT, (1, 2, 3))]
    looked = 0
    for ((into, out), size), stride in cases:
        layer = Layer("any", into, out, stride, *size)
        cost = cost_of(layer, config)
        halved = config["_target_"].endswith("skip_connect") and stride == 2
        if cost is None or (halved and out == 1):
            with pytest.raises(Fault, match="at least 2"):
                factory(into, out, stride, False)
            continue
        looked += 1
        assert cost == counted(factory(into, out, stride, False), layer), layer
    assert looked >= 0.8 * len(cases)


def shapes(strides, least=1):
    for ((into, out), size), stride in itertools.product(LOOKED_AT, strides):
        if out >= least:
            yield into, out, stride, *size


# Name -> strides, and the least output channels with which it can be built.
FIXED_SHAPES = {
    "stem": ((1, 2), 1),
    "stem0": ((4,), 2),
    "stem1": ((1, 2), 1),
    "preprocess": ((1, 2), 1),
    "residual_reduction": ((2,), 1),
    "classifier": ((1,), 1),
    "norm_relu": ((1,), 1),
    "resize": ((1,), 1),
}
SAME = ("norm_relu", "resize")  # these keep the channels


def test_every_fixed_layer_is_looked_at():
    assert {*FIXED_SHAPES, "auxiliary_head"} == set(FIXED)


@pytest.mark.parametrize("name", FIXED_SHAPES)
def test_fixed_layers(name):
    strides, least = FIXED_SHAPES[name]
    for into, out, *rest in shapes(strides, least):
        if name == "preprocess" and (out, rest[0]) == (1, 2):
            continue  # two halves of one channel
        layer = Layer(name, into, into if name in SAME else out, *rest)
        if name == "resize":
            layer = replace(layer, settings=(("to_height", 5), ("to_width", 4)))
        assert cost_of(layer) == counted(build({}, layer), layer), layer


@pytest.mark.parametrize("activation", ["hswish", "linear"])
def test_a_head_with_a_hidden_layer(activation):
    config = {
        "_target_": "nascli.operations.inverted.HiddenClassifier",
        "hidden": 12,
        "activation": activation,
    }
    factory = resolve({"any": config})["any"]
    for size in SIZES:
        layer = Layer("any", 6, 10, 1, *size)
        assert cost_of(layer, config) == counted(factory(6, 10, 1, False), layer)


@pytest.mark.parametrize("imagenet", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (4, 6)])
def test_the_auxiliary_head(size, imagenet):
    layer = Layer("auxiliary_head", 24, 10, 1, *size, settings=(("imagenet", imagenet),))
    assert cost_of(layer) == counted(build({}, layer), layer)


@pytest.mark.parametrize(
    ("operation", "kernel"),
    [
        (ReluConvNorm, None),
        (max_pool, None),
        (average_pool, None),
        (skip_connect, None),
        (Zero, None),
        (partial(SeparableConv, kernel=5), 5),
        (partial(DilatedConv, kernel=3), 3),
        (partial(max_pool, kernel=5), 5),
    ],
)
def test_callables_are_known_by_where_they_come_from(operation, kernel):
    layer = Layer("whatever", 4, 4, 2, 7, 6)
    module = operation(4, 4, 2, False)
    assert cost_of(layer, operation) == counted(module, layer)


def test_settings_of_a_layer_are_arguments_of_its_operation():
    layer = Layer("any", 4, 6, 1, 7, 6, (("kernel", 5),))
    expected = counted(ReluConvNorm(4, 6, 1, False, kernel=5), layer)
    assert cost_of(layer, ReluConvNorm) == expected
    assert cost_of(layer, partial(ReluConvNorm, kernel=3)) == expected


def mine(in_channels, out_channels, stride, shared):
    return nn.Conv2d(in_channels, out_channels, 7, stride, 3)


class Derived(SeparableConv):
    """Costs whatever it likes."""


@pytest.mark.parametrize(
    "operation",
    [
        mine,
        partial(mine),
        Derived,
        lambda *_: nn.Identity(),
        {"_target_": "mine.sep_conv_3x3"},
        {"_target_": "nascli.operations.separable.SeparableConv"},  # no kernel: cannot be built
        {"_target_": "nascli.operations.separable.SeparableConv", "kernel": 4},
        {"_target_": "nascli.operations.separable.SeparableConv", "kernel": "3"},
        {"_target_": "nascli.operations.separable.SeparableConv", "kernel": 3, "groups": 2},
        {"_target_": "nascli.operations.skip.skip_connect", "kernel": 3},
        {"_target_": "nascli.operations.inverted.InvertedResidual", "squeeze": "half"},
        {"_target_": "nascli.operations.inverted.InvertedResidual", "expansion": True},
        {"_target_": "nascli.operations.inverted.InvertedResidual", "keep": 1},
        {"_target_": "nascli.operations.inverted.HiddenClassifier"},  # cannot be built
        {"_target_": "nascli.operations.inverted.HiddenClassifier", "hidden": 0},
        {"_target_": "nascli.operations.convolution.ReluConvNorm", "_args_": [1]},
        partial(ReluConvNorm, 3),
        7,
    ],
    ids=lambda operation: re.sub(" at 0x.*", "", str(operation)),
)
@pytest.mark.parametrize("name", ["sep_conv_3x3", "stem", "nor_conv_3x3"])
def test_an_operation_of_a_user_gets_no_formula_whatever_its_name(name, operation):
    assert cost_of(Layer(name, 4, 4, 1, 8, 8), operation) is None


def test_a_layer_of_unknown_name_has_none():
    assert cost_of(Layer("mine", 4, 4, 1, 8, 8)) is None
    # settings say something that no formula reads
    assert cost_of(Layer("any", 4, 4, 1, 8, 8, (("width", 2),)), max_pool) is None
    assert cost_of(Layer("any", 4, 4, 1, 8, 8, (("width", 2),)), skip_connect) is None


class Shifted(nn.Module):
    """A view of its input, after a copy that it lets go of."""

    def forward(self, state):
        copy = state * 2
        del copy
        return state[:, :, 1:, 1:]


class Kept(nn.Module):
    """A view of something larger, which stays."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 5, 1)
        self.auxiliary = nn.Linear(2, 2)

    def forward(self, state):
        return self.body(state)[:, :1]


def test_a_layer_of_the_users_own_is_counted_with_what_it_shares():
    pixels = 6 * 4
    cost, _, _ = count_layer(Shifted(), (3, 6, 4))
    assert cost == (0, 0, 3 * pixels * 4, 0, True)
    cost, _, _ = count_layer(Kept(), (3, 6, 4))
    assert cost == (20, 5 * 4 * pixels, 5 * pixels * 4, 5 * pixels * 4, False)


class Odd(nn.Module):
    def forward(self, images):
        return torch.linalg.matrix_exp(images)


def test_what_a_layer_does_not_count_is_named():
    assert count_layer(Odd(), (1, 4, 4))[1] == ("aten.linalg_matrix_exp",)
