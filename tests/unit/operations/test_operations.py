from __future__ import annotations

from math import ceil

import pytest
import torch
from fixtures import CHECKOUT, options
from omegaconf import OmegaConf
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nascli.core.fault import Fault
from nascli.operations import resolve
from nascli.operations.blocks import Halves
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


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", options("operation"))
def test_channels_change(name, stride):
    out = factories()[name](6, 4, stride, False).eval()(torch.randn(2, 6, 3, 3))
    assert out.shape == (2, 4, ceil(3 / stride), ceil(3 / stride))


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
        ("conv_1x1", 36 + 12),
        ("conv_3x3", 9 * 36 + 12),
        ("identity", 0),
        # 18 or 36 channels inside: a 1x1 and a depthwise convolution with their norms, a 1x1
        ("mbconv_3x3_e3", 18 * (6 + 2 + 9 + 2 + 6) + 12),
        ("mbconv_3x3_e6", 36 * (6 + 2 + 9 + 2 + 6) + 12),
        ("mbconv_5x5_e3", 18 * (6 + 2 + 25 + 2 + 6) + 12),
        ("mbconv_5x5_e6", 36 * (6 + 2 + 25 + 2 + 6) + 12),
        ("mbconv_7x7_e3", 18 * (6 + 2 + 49 + 2 + 6) + 12),
        ("mbconv_7x7_e6", 36 * (6 + 2 + 49 + 2 + 6) + 12),
        # a depthwise and a 1x1 convolution, each with its norm
        ("dsconv_3x3", 9 * 6 + 12 + 36 + 12),
        ("dsconv_5x5", 25 * 6 + 12 + 36 + 12),
        # the 3 channels of one half, of which the other passes by
        ("shuffle_3x3", 2 * (9 + 6) + 9 * 3 + 6),
        ("shuffle_5x5", 2 * (9 + 6) + 25 * 3 + 6),
        ("shuffle_7x7", 2 * (9 + 6) + 49 * 3 + 6),
        ("shuffle_xception", 3 * (9 * 3 + 6 + 9 + 6)),
    ],
)
def test_weights(name, weights):
    assert sum(p.numel() for p in factories()[name](6, 6, 1, False).parameters()) == weights


def test_the_test_of_weights_leaves_no_operation_out():
    (mark,) = (m for m in test_weights.pytestmark if m.name == "parametrize")
    assert sorted(name for name, _ in mark.args[1]) == options("operation")


REACH = {"sep_conv_3x3": 2, "sep_conv_5x5": 4, "sep_conv_7x7": 6}
REACH |= {"dil_conv_3x3": 2, "dil_conv_5x5": 4, "nor_conv_3x3": 1, "nor_conv_1x1": 0}
REACH |= {"mbconv_3x3_e3": 1, "mbconv_5x5_e6": 2, "mbconv_7x7_e3": 3, "conv_3x3": 1, "conv_1x1": 0}
REACH |= {"shuffle_3x3": 1, "shuffle_5x5": 2, "shuffle_7x7": 3, "shuffle_xception": 3}


@pytest.mark.parametrize(("name", "reach"), REACH.items())
def test_how_far_an_operation_sees(name, reach):
    module = factories()[name](2, 2, 1, False).eval()
    for weight in module.parameters():
        nn.init.constant_(weight, 0.1)  # so that no ReLU stops anything, and no ReLU6
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


@pytest.mark.parametrize("size", [(1, 1), (5, 4), (6, 6)])
def test_several_halves_together_are_each_alone(size):
    several = [Halves(3, width).double() for width in (3, 5)]
    state = torch.randn(2, 3, *size, dtype=torch.float64).requires_grad_()
    weights = [w for halves in several for w in halves.parameters()]

    def found(results):
        loss = sum((result**2).sum() for result in results)
        return [*results, *torch.autograd.grad(loss, [state, *weights])]

    alone = found([halves(state) for halves in several])
    for ours, theirs in zip(found(Halves.of(several, state)), alone, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


class Gradients(TorchDispatchMode):
    """The kernel and stride of every convolution whose gradients are computed."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if "convolution_backward" in str(function):
            self.seen.append((args[2].shape[-1], args[4][0]))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", options("operation"))
def test_no_gradient_of_a_1x1_convolution_is_computed_at_a_stride(name):
    """oneDNN's writes past its memory (issue 6035 of uxlfoundation/oneDNN)."""
    module = factories()[name](4, 6, 2, False)
    images = torch.randn(3, 4, 8, 8, requires_grad=True)
    images = images.contiguous(memory_format=torch.channels_last)
    with Gradients() as gradients:
        result = module(images)
        if result.requires_grad:  # that of `none` does not
            result.sum().backward()
    assert (1, 2) not in gradients.seen
    assert bool(gradients.seen) is any(p.dim() == 4 for p in module.parameters())
