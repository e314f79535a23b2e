"""A 1x1 convolution with its batch norm in one step, against the two modules."""

import copy

import pytest
import torch
from torch import nn

from nascli.kernels import expansion
from nascli.kernels.expansion import normed, pays


def modules(affine=True):
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 12, 1, bias=False).double()
    norm = nn.BatchNorm2d(12, affine=affine, momentum=0.3, eps=1e-3).double()
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return convolution, norm


def images():
    torch.manual_seed(1)
    # Far from zero, and pixels that go together: the covariance is not that of noise.
    mixed = torch.einsum("bchw,cd->bdhw", torch.randn(4, 3, 5, 6), torch.randn(3, 3)) + 3
    return mixed.double().contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("affine", [True, False])
def test_results_gradients_and_statistics_are_those_of_the_modules(affine):
    convolution, norm = modules(affine)
    both = copy.deepcopy((convolution, norm))
    batch = images()
    for _ in range(2):  # the second step moves statistics that have been moved
        ours, plain = normed(convolution, norm, batch), both[1](both[0](batch))
        assert torch.allclose(ours, plain, rtol=0, atol=1e-10)
        towards = torch.randn_like(plain)
        found = torch.autograd.grad(
            ours, [batch, *convolution.parameters(), *norm.parameters()], towards
        )
        inputs = [batch, *both[0].parameters(), *both[1].parameters()]
        for one, other in zip(found, torch.autograd.grad(plain, inputs, towards), strict=True):
            assert torch.allclose(one, other, rtol=1e-10, atol=1e-10)
    for name, value in both[1].state_dict().items():
        assert torch.allclose(norm.state_dict()[name].double(), value.double(), rtol=1e-10)


def test_it_pays_where_much_is_made_of_little_and_gradients_are_wanted(monkeypatch):
    convolution, norm = modules()
    batch = images()
    assert not pays(convolution, norm, batch)  # so few numbers stay in the cache
    monkeypatch.setattr(expansion, "_CACHED", 4 * 30 * 12)
    assert pays(convolution, norm, batch)
    with torch.no_grad():
        assert not pays(convolution, norm, batch)
    assert not pays(nn.Conv2d(3, 5, 1), norm, batch)
    assert not pays(convolution, norm.eval(), batch)
