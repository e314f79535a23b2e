"""Batch norms left for later against the modules, step by step."""

from __future__ import annotations

import copy
import weakref

import pytest
import torch
from fixtures import CHECKOUT, options
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional as F

from nascli.kernels.deferred import Deferred, deferred, pointwise, weighted_sum
from nascli.operations import resolve
from nascli.operations.blocks import Normed

# Blocks of whole networks have no norm to be left for later: nothing mixes them in a cell.
BLOCKS = ("dsconv_", "mbconv_", "shuffle_", "conv_1x1", "conv_3x3", "identity")
DEFERRED = [n for n in options("operation") if n != "none" and not n.startswith(BLOCKS)]


def made(name, stride, shared):
    """The operation; pools with batch norm, as in the supernet of `cell`."""
    torch.manual_seed(0)
    config = OmegaConf.load(CHECKOUT / "configs" / "operation" / f"{name}.yaml")
    module = resolve(OmegaConf.to_container(config))[name](4, 4, stride, shared)
    module = Normed(module, 4) if "pool" in name else module
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        if norm.affine:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return module.double()


def derivatives(out, inputs):
    """First derivatives of a nonlinear function of `out`, and second ones along one direction."""
    first = torch.autograd.grad((out * out.detach().cos()).sum(), inputs, create_graph=True)
    again = sum(gradient.square().sum() for gradient in first)
    return [*first, *torch.autograd.grad(again, inputs)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", DEFERRED)
def test_what_is_deferred_is_the_operation(name, stride, shared, training):
    ours = made(name, stride, shared).train(training)
    if not hasattr(ours, "deferred"):
        assert isinstance(ours, nn.Identity)
        return
    plain = copy.deepcopy(ours)
    state = torch.randn(3, 4, 6, 6).double().contiguous(memory_format=torch.channels_last)
    state.requires_grad_()
    weight = torch.tensor(0.7).double().requires_grad_()
    read = F.relu(state) if hasattr(ours, "after_relu") else state
    out = weighted_sum([(ours.deferred(read), weight)])
    expected = plain(state) * weight
    found = [out, *derivatives(out, [state, weight, *ours.parameters()])]
    wanted = [expected, *derivatives(expected, [state, weight, *plain.parameters()])]
    for our, one in zip(found, wanted, strict=True):
        assert torch.allclose(our, one, rtol=1e-9, atol=1e-9)
    for our, one in zip(ours.buffers(), plain.buffers(), strict=True):
        assert torch.allclose(our.double(), one.double(), rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.3, None])
def test_running_statistics_move_as_those_of_batch_norm(momentum):
    ours = nn.BatchNorm2d(3, momentum=momentum).double()
    plain = copy.deepcopy(ours)
    for seed in range(3):
        torch.manual_seed(seed)
        images = 5 + torch.randn(2, 3, 4, 4).double()
        deferred(images, ours)
        plain(images)
    for our, one in zip(ours.buffers(), plain.buffers(), strict=True):
        assert torch.allclose(our, one, rtol=1e-12)


def test_one_value_a_channel_has_no_variance():
    with pytest.raises(ValueError, match="more than one value a channel"):
        deferred(torch.randn(1, 3, 1, 1), nn.BatchNorm2d(3))


def test_a_sum_takes_terms_of_every_kind():
    torch.manual_seed(0)
    one, other, same = torch.randn(3, 2, 4, 4, 4).double().unbind()
    norms = nn.BatchNorm2d(4).double(), nn.BatchNorm2d(4, affine=False).double()
    nn.init.normal_(norms[0].weight)
    nn.init.normal_(norms[0].bias)
    weights = torch.randn(3).double()
    expected = weights[0] * norms[0](one) + weights[1] * norms[1](other) + weights[2] * same
    terms = [deferred(one, norms[0]), deferred(other, norms[1]), Deferred(same)]
    out = weighted_sum(list(zip(terms, weights.unbind(), strict=True)))
    assert torch.allclose(out, expected, rtol=1e-12)
    alone = weighted_sum([(terms[2], weights[2])])
    assert torch.allclose(alone, weights[2] * same, rtol=1e-12)


def test_a_constant_channel_is_normalised_to_zero():
    images = torch.full((4, 3, 8, 8), 7.0).contiguous(memory_format=torch.channels_last)
    term = deferred(pointwise(images, nn.Conv2d(3, 3, 1, bias=False)), nn.BatchNorm2d(3))
    out = weighted_sum([(term, torch.ones(()))])
    assert out.isfinite().all()
    assert out.abs().max() < 0.1


@pytest.mark.parametrize("name", [n for n in options("operation") if n != "none"])
def test_nothing_of_a_step_outlives_it(name):
    ours = made(name, 1, True)
    if not hasattr(ours, "deferred"):
        return
    state = torch.randn(3, 4, 6, 6).double().requires_grad_()
    out = weighted_sum([(ours.deferred(state), torch.ones(()).double().requires_grad_())])
    out.sum().backward()
    kept = weakref.ref(out.grad_fn)
    del out
    assert kept() is None
