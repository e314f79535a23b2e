"""What the kernels in C make of the middle of an inverted residual, against the modules."""

from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from nascli.kernels.depthwise import Depthwise
from nascli.kernels.native import library
from nascli.kernels.native.residual import ACTIVATIONS, Normed, middle

SIZES = [(1, 1), (1, 2), (2, 3), (7, 9), (8, 8)]
CHANNELS = [1, 3, 8, 17, 24]


pytestmark = pytest.mark.usefixtures("native_kernels")


class Case:
    """A middle with a norm before its convolution, or without (`before` False)."""

    def __init__(
        self, size, channels, kernel, stride, activation=nn.ReLU, batch=3, before=True, affine=True,
        kind=torch.float64,
    ):  # fmt: skip
        torch.manual_seed(0)
        norms = [nn.BatchNorm2d(channels, momentum=0.3, affine=affine) for _ in range(2)]
        steps = [norms[0], activation()] if before else []
        self.steps = nn.Sequential(
            *steps, Depthwise(channels, kernel, stride), norms[1], activation()
        ).to(kind)
        for value in (*self.steps.parameters(), *(norm.running_mean for norm in norms)):
            nn.init.normal_(value)
        images = 3 * torch.randn(batch, channels, *size, dtype=kind)
        self.images = images.contiguous(memory_format=torch.channels_last).requires_grad_()

    def native(self):
        *first, convolution, norm, last = self.steps
        number = ACTIVATIONS.get(type(last), 0)
        before = Normed(first[0], number) if first else Normed()
        return middle(library.load(), self.images, before, convolution, Normed(norm, number))

    def plain(self):
        return self.steps(self.images)

    def gradients(self, found, inputs=None):
        push = torch.linspace(-1, 1, found.numel()).view_as(found)
        return torch.autograd.grad((found * push).sum(), inputs or self.inputs())

    def inputs(self):
        return [self.images, *self.steps.parameters()]

    def results(self, way):
        found = way()
        return [found, *self.gradients(found), *self.steps.buffers()]


def assert_equal(ours):
    theirs = copy.deepcopy(ours)
    for one, other in zip(ours.results(ours.native), theirs.results(theirs.plain), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_results_gradients_and_statistics_are_those_of_the_modules(kernel, stride):
    for number, (size, channels) in list(enumerate(product(SIZES, CHANNELS)))[::2]:
        activation = [nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Identity][number % 4]
        before, affine = number % 3 < 2, number % 5 < 3
        assert_equal(Case(size, channels, kernel, stride, activation, 3, before, affine))


@pytest.mark.parametrize("stride", [1, 2])
def test_two_values_a_channel_are_enough(stride):
    assert_equal(Case((1, 1), 5, 3, stride, batch=2))
    assert_equal(Case((1, 2 * stride), 5, 5, stride, batch=1))


def test_blocks_of_unlike_size_and_images_of_several_chunks():
    assert_equal(Case((7, 11), 40, 5, 1, nn.Hardswish, batch=18))
    assert_equal(Case((9, 11), 40, 7, 2, batch=18))


def test_images_and_parameters_may_lie_in_memory_in_any_way():
    ours = Case((4, 5), 5, 3, 2)
    ours.images = ours.images.detach().contiguous().requires_grad_()
    for norm in (ours.steps[0], ours.steps[3]):
        for name in ("weight", "bias"):
            column = torch.randn(5, 2, dtype=torch.float64)[:, 0]
            setattr(norm, name, nn.Parameter(column))
    assert_equal(ours)


def test_float32_rounds_as_the_modules_do():
    ours = Case((9, 8), 24, 5, 1, nn.Hardswish, kind=torch.float32)
    theirs, exact = copy.deepcopy(ours), copy.deepcopy(ours)
    exact.steps.double()
    exact.images = exact.images.detach().double().requires_grad_()
    wanted = exact.results(exact.plain)[:-6]  # without what is tracked

    def error(found):
        pairs = zip(found, wanted, strict=False)
        return sum((f.double() - e).square().sum() / e.square().sum() for f, e in pairs).sqrt()

    assert 0 < error(ours.results(ours.native)) < 3 * error(theirs.results(theirs.plain))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6, nn.Hardswish])
def test_gradients_at_the_kinks_of_activations_and_what_is_not_a_number(activation):
    ours = Case((4, 4), 7, 3, 1, activation)
    norm = ours.steps[0]
    with torch.no_grad():
        norm.weight.zero_()
        norm.bias.copy_(torch.tensor([-3.0, 0, 3, 6, 7, -4, 1]))
        ours.steps[3].weight[:3] = 0
        ours.steps[3].bias[:3] = torch.tensor([0.0, 6, -3])
    assert_equal(ours)
    with torch.no_grad():
        ours.images[1, 1, 2, 2] = float("nan")
        assert ours.native().isnan().any((0, 2, 3)).tolist() == [n == 1 for n in range(7)]


@pytest.mark.parametrize("wanted", ["images", "weight", "one shift"])
def test_each_wanted_set_of_gradients_is_the_same_alone(wanted):
    case = Case((5, 6), 5, 3, 1)
    everything = dict(zip(map(id, case.inputs()), case.gradients(case.native()), strict=True))
    value = {
        "images": case.images, "weight": case.steps[2].weight, "one shift": case.steps[0].bias,
    }[wanted]  # fmt: skip
    for other in case.inputs():
        other.requires_grad_(other is value)
    (found,) = case.gradients(case.native(), [value])
    assert torch.equal(found, everything[id(value)])


def test_results_are_the_same_bits_for_any_number_of_threads():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            case = Case((7, 9), 40, 5, 2, batch=21, kind=torch.float32)
            found.append(case.results(case.native))
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


def test_a_second_derivative_is_refused_with_the_way_to_it():
    case = Case((2, 2), 1, 3, 1)
    with pytest.raises(RuntimeError, match=r"no second derivatives.*library\.without\(\)"):
        torch.autograd.grad(case.native().sum(), case.images, create_graph=True)


def test_what_is_computed_again_for_the_backward_pass_is_refused_with_the_way_to_it():
    case = Case((2, 2), 1, 3, 1)
    found = checkpoint(case.native, use_reentrant=False)
    with pytest.raises(RuntimeError, match=r"not go with torch.*library\.without\(\)"):
        case.gradients(found)
