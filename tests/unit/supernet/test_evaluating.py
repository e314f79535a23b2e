"""Inverted residual blocks of a supernet against the modules, and who computes them."""

import copy
from contextlib import nullcontext

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.supernet import Mixture
from nascli.kernels.native import library
from nascli.operations.inverted import DepthwiseSeparable, InvertedResidual
from nascli.supernet import evaluating
from nascli.supernet.evaluating import evaluated, in_place

KINDS = [
    {"stride": 1, "expansion": 3},
    {"stride": 2, "expansion": 2, "kernel": 5, "squeeze": "se8", "activation": "hswish"},
    {"stride": 1, "expansion": 1, "activation": "relu"},
    {"stride": 2, "expansion": 1, "keep": True, "activation": "linear", "kernel": 7},
    {"stride": 1, "expansion": 2, "activation": "swish", "squeeze": "se"},
]


OPTIONS = ["mbconv_3x3_e3", "identity", "mbconv_5x5_e3"]


def block(stride=1, shared=False, **settings):
    torch.manual_seed(0)
    return in_place(InvertedResidual(5, 5, stride, shared, **settings)).double()


def images(*size):
    made = torch.randn(size or (3, 5, 6, 5), dtype=torch.float64)
    return made.contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.fixture
def calls(native_kernels, monkeypatch):
    """Who has computed a middle: the kernels in C, a number a call."""
    made, middle = [], evaluating.middle
    monkeypatch.setattr(evaluating, "middle", lambda *given: made.append(1) or middle(*given))
    return made


def results(module, run, read):
    out = run(module, read)
    push = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    inputs = [read, *module.parameters()]
    return [out, *torch.autograd.grad((out * push).sum(), inputs), *module.buffers()]


def assert_equal(module, read):
    theirs = copy.deepcopy(module)
    found = results(module, evaluated, read)
    for one, other in zip(found, results(theirs, lambda m, x: m(x), read), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shared", [True, False])
def test_blocks_compute_what_their_modules_do(calls, shared):
    for kind in KINDS:
        assert_equal(block(shared=shared, **kind), images())
    torch.manual_seed(0)
    assert_equal(DepthwiseSeparable(5, 7, 2, shared, activation="relu").double(), images())
    assert len(calls) == len(KINDS) + 1


def test_torch_computes_what_the_kernels_do_not_have(calls):
    class Own(InvertedResidual):
        """A user's."""

        def forward(self, state):
            return super().forward(state) + 1

    with library.without():
        assert_equal(block(), images())
    assert_equal(block(), images(1, 5, 1, 2))  # two values, which a stride makes one
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        evaluated(block(stride=2), images(1, 5, 1, 2))
    cumulative, tracking = block(), block().eval()
    for norm in cumulative.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    assert len(calls) == 1
    assert_equal(block(stride=3), images())
    assert_equal(cumulative, images())
    assert_equal(tracking, images())
    assert_equal(Own(5, 5, 1, False).double(), images())
    half = block().bfloat16()
    assert evaluated(half, images().bfloat16()).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        evaluated(block().float(), images().float())
    assert len(calls) == 1


def test_mixtures_and_fixed_layers_of_a_chain_go_through_the_kernels(calls):
    torch.manual_seed(0)
    layers = [
        {"name": "first", "options": ["mbconv_3x3_e3"], "channels": 4},
        {
            "name": "choice",
            "options": ["mbconv_3x3_e3", "identity", "mbconv_5x5_e3"],
            "channels": 4,
        },
    ]
    make = instantiate(composed("space=chain").space, _partial_=True)
    supernet = make(ToyTask(input_shape=(3, 5, 5)), layers=layers).supernet().double()
    weights = torch.tensor([[0.5, 0.2, 0.3]], dtype=torch.float64)
    read, found = images(4, 3, 5, 5), []
    for how in (nullcontext, library.without):
        with how():
            loss = supernet(read, Mixture(weights)).square().sum()
        found.append(torch.autograd.grad(loss, list(supernet.parameters())))
    assert len(calls) == 3
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)
