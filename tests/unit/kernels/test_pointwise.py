"""1x1 convolutions at strides above 1 against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nascli.kernels.pointwise import Strided


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 7)])
def test_results_and_gradients_are_those_of_pytorch(stride, size):
    torch.manual_seed(0)
    ours = Strided(3, 5, stride).double()
    theirs = nn.Conv2d(3, 5, 1, stride, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, *size).double().requires_grad_()
    expected = theirs(images)
    push = torch.randn_like(expected)
    inputs = [(ours, [images, ours.weight]), (theirs, [images, theirs.weight])]
    found, known = (torch.autograd.grad((m(images) * push).sum(), i) for m, i in inputs)
    assert torch.allclose(ours(images), expected)
    assert all(map(torch.allclose, found, known))
    with torch.no_grad():
        assert torch.equal(ours(images), expected)
