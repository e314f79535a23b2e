"""What the kernels in C compute against the modules, operation by operation."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from nascli.kernels.native import library
from nascli.kernels.native.leaving import SKIP, Free, Leaving
from nascli.operations.blocks import Normed
from nascli.operations.separable import DilatedConv, SeparableConv

SIZES = [(1, 1), (1, 2), (2, 3), (7, 9), (8, 8)]
CHANNELS = [1, 3, 5, 16, 17]


pytestmark = pytest.mark.usefixtures("native_kernels")


def operations(channels, stride):
    """One of every kind: with weights, then without."""
    weighted = [
        SeparableConv(channels, channels, stride, True, 3),
        SeparableConv(channels, channels, stride, True, 5),
        SeparableConv(channels, channels, stride, True, 7),
        DilatedConv(channels, channels, stride, True, 3),
        DilatedConv(channels, channels, stride, True, 5),
    ]
    free = [nn.MaxPool2d(3, stride, 1), nn.AvgPool2d(3, stride, 1, count_include_pad=False)]
    free = [Normed(pool, channels) for pool in free] + [nn.Identity()] * (stride == 1)
    return nn.ModuleList([*weighted, *free])


class Case:
    """Two edges that leave a state; they share what has no weights."""

    def __init__(self, size, channels, stride, batch=3, kind=torch.float64):
        torch.manual_seed(0)
        self.stride = stride
        one, other = operations(channels, stride), operations(channels, stride)
        self.edges = nn.ModuleList([one, nn.ModuleList([*other[:5], *one[5:]])]).to(kind)
        count = len(one)
        for norm in self.norms():
            norm.running_mean.normal_()
            norm.momentum = 0.3
        self.options = [(e, option) for e in range(2) for option in range(count)]
        images = torch.randn(batch, channels, *size, dtype=kind)
        self.images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
        self.weights = torch.rand(2 * count, dtype=kind).requires_grad_()

    def norms(self):
        return [m for m in self.edges.modules() if isinstance(m, nn.BatchNorm2d)]

    def native(self):
        modules = list(dict.fromkeys(self.edges[e][option] for e, option in self.options))
        terms = [
            Free(SKIP) if isinstance(module, nn.Identity) else module.native() for module in modules
        ]
        uses = [(modules.index(self.edges[e][option]), e) for e, option in self.options]
        call = Leaving(self.images, self.stride, terms, uses)
        return call(library.load(), self.images, self.weights)

    def plain(self):
        """A module that two edges share is a copy for the second: statistics move only once."""
        one, other = self.edges
        second = [*other[:5], *copy.deepcopy(other[5:])]
        found = [option(self.images) for edge in (one, second) for option in edge]
        parts = [weight * one for weight, one in zip(self.weights, found, strict=True)]
        count = len(self.edges[0])
        return sum(parts[:count]), sum(parts[count:])

    def gradients(self, sums, inputs=None):
        pushes = [torch.linspace(-1, 1, part.numel()).view_as(part) for part in sums]
        loss = sum((part * push).sum() for part, push in zip(sums, pushes, strict=True))
        inputs = inputs or [self.images, self.weights, *self.edges.parameters()]
        return torch.autograd.grad(loss, inputs)


def assert_close(found, expected, tolerance=1e-10):
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one.double(), other.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("size", SIZES)
def test_results_gradients_and_statistics_are_those_of_the_modules(size, channels, stride):
    ours = Case(size, channels, stride)
    theirs = copy.deepcopy(ours)
    found, expected = ours.native(), theirs.plain()
    assert_close(found, expected)
    assert_close(ours.gradients(found), theirs.gradients(expected))
    assert_close(ours.edges.buffers(), theirs.edges.buffers())


def test_blocks_of_unlike_size_and_images_of_several_chunks():
    ours = Case((19, 30), 5, 1, batch=18)
    theirs = copy.deepcopy(ours)
    found, expected = ours.native(), theirs.plain()
    assert_close(found, expected)
    assert_close(ours.gradients(found), theirs.gradients(expected))
    assert_close(ours.edges.buffers(), theirs.edges.buffers())


def test_float32_rounds_as_the_modules_do():
    ours = Case((9, 8), 16, 1, kind=torch.float32)
    theirs, exact = copy.deepcopy(ours), copy.deepcopy(ours)
    exact.edges.double()
    exact.images, exact.weights = (
        value.detach().double().requires_grad_() for value in (exact.images, exact.weights)
    )
    wanted = exact.gradients(exact.plain())

    def error(gradients):
        pairs = zip(gradients, wanted, strict=True)
        return sum((f.double() - e).square().sum() / e.square().sum() for f, e in pairs).sqrt()

    assert 0 < error(ours.gradients(ours.native())) < 3 * error(theirs.gradients(theirs.plain()))


def test_gradients_at_the_kinks_of_relus_and_what_is_not_a_number():
    ours = Case((4, 4), 3, 1)
    with torch.no_grad():
        ours.images[:, :, ::2] = 0
        for module in ours.edges.modules():
            if isinstance(module, SeparableConv):
                module.body[1].weight[0] = 0  # so the second ReLU reads zeros of one channel
    theirs = copy.deepcopy(ours)
    found, expected = ours.native(), theirs.plain()
    assert_close(ours.gradients(found), theirs.gradients(expected))
    with torch.no_grad():
        ours.images[1, 1, 2, 2] = float("nan")
        assert all(part.isnan().any() for part in ours.native())
        one = next(conv for conv in ours.edges[0] if isinstance(conv, DilatedConv))
        call = Leaving(ours.images, 1, [one.native()], [(0, 0)])
        (alone,) = call(library.load(), ours.images, ours.weights[:1])
        assert alone.isnan().all()  # every channel's statistics have read it


@pytest.mark.parametrize("wanted", ["weights", "images", "parameters", "one parameter"])
def test_each_wanted_set_of_gradients_is_the_same_alone(wanted):
    case = Case((5, 6), 5, 1)
    everything = case.gradients(case.native())
    expected = {
        "images": everything[:1],
        "weights": everything[1:2],
        "parameters": everything[2:],
        "one parameter": everything[3:4],
    }
    inputs = {"images": [case.images], "weights": [case.weights]}
    inputs["parameters"] = list(case.edges.parameters())
    inputs["one parameter"] = inputs["parameters"][1:2]
    for value in (case.images, case.weights, *case.edges.parameters()):
        value.requires_grad_(any(value is one for one in inputs[wanted]))
    found = case.gradients(case.native(), inputs[wanted])
    assert all(torch.equal(one, other) for one, other in zip(found, expected[wanted], strict=True))


def test_results_are_the_same_bits_for_any_number_of_threads():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            case = Case((7, 9), 17, 1, batch=21, kind=torch.float32)
            sums = case.native()
            found.append([*sums, *case.gradients(sums), *case.edges.buffers()])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


def test_one_value_a_channel_has_no_variance():
    with pytest.raises(ValueError, match="more than one value a channel"):
        Case((1, 2), 3, 2, batch=1).native()


def test_a_second_derivative_is_refused_with_the_way_to_it():
    case = Case((2, 2), 1, 1)
    loss = sum(part.sum() for part in case.native())
    with pytest.raises(RuntimeError, match=r"no second derivatives.*library\.without\(\)"):
        torch.autograd.grad(loss, case.images, create_graph=True)


def test_what_is_computed_again_for_the_backward_pass_is_refused_with_the_way_to_it():
    case = Case((2, 2), 1, 1)
    sums = checkpoint(case.native, use_reentrant=False)
    with pytest.raises(RuntimeError, match=r"not go with torch.*library\.without\(\)"):
        case.gradients(sums)


def test_it_waits_for_gradients_of_all_edges():
    case = Case((4, 4), 2, 1)
    alone = case.gradients(case.native()[:1], [case.images])
    assert_close(alone, case.gradients(case.plain()[:1], [case.images]))


@pytest.mark.parametrize(("channels", "stride"), [(3, 1), (17, 2)])
def test_evaluation_takes_what_is_tracked_and_leaves_it(channels, stride):
    case = Case((7, 9), channels, stride)
    for norm in case.norms():
        norm.running_var.uniform_(0.5, 2)
    before = [buffer.clone() for buffer in case.edges.buffers()]
    case.edges.eval()
    with torch.no_grad():
        for ours, wanted in zip(case.native(), case.plain(), strict=True):
            torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-12)
    assert all(map(torch.equal, case.edges.buffers(), before))


def test_evaluation_of_one_value_a_channel():
    case = Case((1, 1), 5, 1, batch=1)
    case.edges.eval()
    with torch.no_grad():
        for ours, wanted in zip(case.native(), case.plain(), strict=True):
            torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-12)
