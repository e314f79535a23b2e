from __future__ import annotations

from math import ceil

import pytest
import torch
from fixtures import CHECKOUT, options
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional as F

from nascli.core.fault import Fault
from nascli.core.plan import Layer
from nascli.operations import resolve
from nascli.operations.fixed import AuxiliaryHead, ResidualReduction
from nascli.operations.parts import build, builders, built, tag
from nascli.operations.skip import FactorizedReduction

SIZES = [(8, 8), (7, 7), (5, 6), (2, 3), (1, 1)]


def factories():
    files = [CHECKOUT / "configs" / "operation" / f"{name}.yaml" for name in options("operation")]
    configs = [OmegaConf.to_container(OmegaConf.load(file)) for file in files]
    return resolve({name: value for config in configs for name, value in config.items()})


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", options("operation"))
def test_every_operation_divides_the_size_rounding_up(name, stride):
    module = factories()[name](6, 6, stride, False).eval()
    for height, width in SIZES:
        out = module(torch.randn(2, 6, height, width))
        assert out.shape == (2, 6, ceil(height / stride), ceil(width / stride))


@pytest.mark.parametrize("name", [n for n in options("operation") if "pool" not in n])
def test_channels_change_where_pooling_does_not_forbid_it(name):
    out = factories()[name](6, 4, 1, False).eval()(torch.randn(2, 6, 3, 3))
    assert out.shape == (2, 4, 3, 3)


def test_pooling_refuses_to_change_channels():
    with pytest.raises(ValueError, match="pooling keeps 6 channels; 4 were asked for"):
        factories()["max_pool_3x3"](6, 4, 1, False)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", options("operation"))
def test_batch_norms_have_scale_and_shift_only_outside_supernets(name, shared):
    module = factories()[name](4, 4, 2, shared)
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.affine is not shared for norm in norms)


@pytest.mark.parametrize("kernel", [0, 2, -3])
@pytest.mark.parametrize("name", [n for n in options("operation") if "x" in n])
def test_a_kernel_needs_a_middle(name, kernel):
    file = CHECKOUT / "configs" / "operation" / f"{name}.yaml"
    config = OmegaConf.to_container(OmegaConf.load(file))[name] | {"kernel": kernel}
    with pytest.raises(Fault, match=f"kernel={kernel}; it must be an odd number of pixels"):
        resolve({name: config})[name](2, 2, 1, False)


# Depthwise k*k*C, pointwise C*C, batch norm 2C.
@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("none", 0),
        ("skip_connect", 0),
        ("avg_pool_3x3", 0),
        ("max_pool_3x3", 0),
        ("sep_conv_3x3", 2 * (9 * 6 + 36 + 12)),
        ("sep_conv_5x5", 2 * (25 * 6 + 36 + 12)),
        ("sep_conv_7x7", 2 * (49 * 6 + 36 + 12)),
        ("dil_conv_3x3", 9 * 6 + 36 + 12),
        ("dil_conv_5x5", 25 * 6 + 36 + 12),
        ("nor_conv_1x1", 36 + 12),
        ("nor_conv_3x3", 9 * 36 + 12),
    ],
)
def test_weights(name, weights):
    assert sum(p.numel() for p in factories()[name](6, 6, 1, False).parameters()) == weights


def test_the_test_of_weights_leaves_no_operation_out():
    (mark,) = (m for m in test_weights.pytestmark if m.name == "parametrize")
    assert sorted(name for name, _ in mark.args[1]) == options("operation")


REACH = {"sep_conv_3x3": 2, "sep_conv_5x5": 4, "sep_conv_7x7": 6}
REACH |= {"dil_conv_3x3": 2, "dil_conv_5x5": 4, "nor_conv_3x3": 1, "nor_conv_1x1": 0}


@pytest.mark.parametrize(("name", "reach"), REACH.items())
def test_how_far_an_operation_sees(name, reach):
    module = factories()[name](2, 2, 1, False).eval()
    for weight in module.parameters():
        nn.init.ones_(weight)  # so that no ReLU stops anything
    images = torch.rand(1, 2, 15, 15, requires_grad=True)
    module(images)[0, :, 7, 7].sum().backward()
    rows = images.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min(), rows.max()) == (7 - reach, 7 + reach)


def test_average_pooling_leaves_the_padding_out():
    out = factories()["avg_pool_3x3"](1, 1, 1, False)(torch.ones(1, 1, 4, 4))
    assert torch.equal(out, torch.ones(1, 1, 4, 4))


def test_none_is_zero_and_skip_connect_the_identity():
    images = torch.randn(2, 3, 4, 4)
    assert not factories()["none"](3, 3, 2, True)(images).any()
    assert torch.equal(factories()["skip_connect"](3, 3, 1, True)(images), images)


def test_a_factorized_reduction_reads_even_and_odd_pixels():
    reduction = FactorizedReduction(1, 2, shared=True).train(False)
    with torch.no_grad():
        for half in (reduction.body.even, reduction.body.odd):
            half.weight.fill_(1)
    images = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    even, odd = reduction(images)[0]
    scale = (1 + reduction.norm.eps) ** -0.5  # of a batch norm that has seen nothing yet
    assert torch.allclose(even, scale * torch.tensor([[1.0, 3], [7, 9]]))
    assert torch.allclose(odd, scale * torch.tensor([[5.0, 0], [0, 0]]))


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_the_shortcut_of_a_residual_reduction_averages_what_there_is(size):
    block = ResidualReduction(1, 1)
    with torch.no_grad():
        block.shortcut[1].weight.fill_(1)
    images = torch.rand(1, 1, *size)
    expected = [
        [images[0, 0, i : i + 2, j : j + 2].mean() for j in range(0, size[1], 2)]
        for i in range(0, size[0], 2)
    ]
    assert torch.allclose(block.shortcut(images)[0, 0], torch.tensor(expected))
    assert block(images).shape == (1, 1, ceil(size[0] / 2), ceil(size[1] / 2))


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (4, 4), (1, 1), (3, 9)])
def test_the_auxiliary_head_takes_any_size(size):
    assert AuxiliaryHead(5, 7, size).eval()(torch.randn(2, 5, *size)).shape == (2, 7)


@pytest.mark.parametrize(("side", "stride"), [(8, 3), (7, 2)])
def test_the_auxiliary_head_pools_as_published(side, stride):
    head = AuxiliaryHead(1, 2, (side, side))
    images = torch.rand(1, 1, side, side)
    assert torch.allclose(head.features[1](images), F.avg_pool2d(images, 5, stride))


def test_weights_of_the_auxiliary_heads():
    # 1x1 to 128, 2x2 to 768, the linear layer; batch norm after the first, on CIFAR both.
    weights = 5 * 128 + 256 + 4 * 128 * 768 + (768 + 1) * 7
    for imagenet in (False, True):
        head = AuxiliaryHead(5, 7, (8, 8), imagenet=imagenet)
        assert sum(p.numel() for p in head.parameters()) == weights + (0 if imagenet else 1536)


def test_parts_are_tagged_and_built_ready():
    layer = Layer("nor_conv_3x3", 2, 4, 2, 8, 8)
    module = build(factories(), layer)
    tags = ("operation", "in_channels", "out_channels", "stride")
    assert [getattr(module, name) for name in tags] == ["nor_conv_3x3", 2, 4, 2]
    stem = Layer("stem", 3, 8, 1, 8, 8)
    assert built((stem, nn.Identity)).operation == "stem"
    made = builders(factories(), [(stem, lambda: nn.Conv2d(3, 8, 1))], [layer])
    assert list(made) == [stem, layer]
    assert not any(make().training for make in made.values())
    assert made[layer]() is not made[layer]()


def test_tagging_does_not_change_the_module():
    pool = nn.MaxPool2d(3, 2, 1)
    images = torch.randn(1, 2, 5, 5)
    expected = pool(images)
    assert torch.equal(tag(pool, Layer("pool", 2, 2, 2, 5, 5))(images), expected)
