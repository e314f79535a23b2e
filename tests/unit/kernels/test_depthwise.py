"""The rewritten depthwise convolution against the library's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from nascli.kernels.depthwise import Depthwise

SIZES = [(8, 8), (7, 7), (5, 6), (2, 3), (1, 1), (6, 4)]


def derivatives(out, inputs, push, twice):
    """The first derivatives of `push` times `out`, and those of a function of the first."""
    first = torch.autograd.grad(out, inputs, push, create_graph=True)
    again = sum(
        (gradient.sin() * other).sum() for gradient, other in zip(first, twice, strict=True)
    )
    return (*first, *torch.autograd.grad(again, inputs))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_convolution_however_it_is_computed(size, kernel, stride, dilation, layout):
    torch.manual_seed(0)
    ours = Depthwise(3, kernel, stride, dilation).double()
    images = torch.randn(2, 3, *size).double().contiguous(memory_format=layout).requires_grad_()
    padding = dilation * (kernel // 2)
    expected = F.conv2d(images, ours.weight, None, stride, padding, dilation, 3)
    out = ours(images)
    inputs, push = [images, ours.weight], torch.randn_like(expected)
    twice = [torch.randn_like(value) for value in inputs]
    ours_are = (out, *derivatives(out, inputs, push, twice))
    for our, plain in zip(
        ours_are, (expected, *derivatives(expected, inputs, push, twice)), strict=True
    ):
        assert torch.allclose(our, plain, rtol=0, atol=1e-12)
    with torch.no_grad():
        assert torch.allclose(ours(images), expected, rtol=0, atol=1e-12)


def test_low_precision_is_left_to_the_library():
    convolution = Depthwise(2, 5)
    with torch.autocast("cpu", torch.bfloat16):
        out = convolution(torch.randn(1, 2, 6, 6))
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert convolution.weight.grad is not None
