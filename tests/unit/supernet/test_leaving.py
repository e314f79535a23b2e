"""What is remembered of the states of a cell from pass to pass, against torch, which keeps none."""

from __future__ import annotations

import copy

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn
from torch.func import functional_call

from nascli.core.supernet import Mixture
from nascli.kernels.native import library

pytestmark = pytest.mark.usefixtures("native_kernels")


@pytest.fixture
def both():
    """A supernet with statistics, and a copy for torch; images and a mixture."""
    torch.manual_seed(0)
    make = instantiate(composed("space=cell").space, _partial_=True)
    supernet = make(ToyTask(input_shape=(1, 6, 6)), channels=2, cells=3, nodes=2).supernet()
    supernet.double()
    for norm in norms(supernet):
        norm.running_mean.normal_()
    rows, columns = len(supernet.choices), len(supernet.choices[0].options)
    images = torch.randn(3, 1, 6, 6).double().contiguous(memory_format=torch.channels_last)
    return supernet, copy.deepcopy(supernet), images, torch.rand(rows, columns).double()


def norms(supernet):
    return [module for module in supernet.modules() if isinstance(module, nn.BatchNorm2d)]


def assert_equal(both, evaluate):
    """Both after the same, their statistics included."""
    ours, theirs, *rest = both
    found = evaluate(ours, *rest)
    for module in theirs.modules():
        vars(module).get("_outgoing", {}).clear()
    with library.without():
        expected = evaluate(theirs, *rest)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)
    for (name, our), their in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(our, their, rtol=1e-9, atol=1e-9), name


def passed(supernet, images, weights):
    return supernet(images, Mixture(weights))


def test_norms_change_their_mode_and_momentum(both):
    supernets = both[:2]
    for training, momentum in ((True, 0.1), (False, 0.1), (True, 0.1), (True, 0.5), (True, None)):
        for supernet in supernets:
            supernet.train(training)
            for norm in norms(supernet):
                norm.momentum = momentum
        with torch.no_grad():
            assert_equal(both, passed)
    for supernet in supernets:
        supernet.eval()
    assert_equal(both, passed)  # with gradients, which the kernels do not have in this mode


def test_another_number_of_images_and_other_options(both):
    ours, theirs, images, weights = both
    rows, columns = weights.shape
    for count, taken in ((3, range(columns)), (2, range(columns)), (2, (1, 4)), (3, (4,))):
        active = (tuple(taken),) * rows
        some = images[:count].contiguous(memory_format=torch.channels_last)
        assert_equal(
            (ours, theirs, some, weights), lambda s, i, w, a=active: s(i, Mixture(w, active=a))
        )


def test_other_weights_in_the_place_of_parameters(both):
    passed(both[0], *both[2:])
    doubled = {name: 2 * value for name, value in both[0].named_parameters()}
    assert_equal(
        (both[0], copy.deepcopy(both[0]), *both[2:]),
        lambda supernet, images, weights: functional_call(
            supernet, doubled, (images, Mixture(weights))
        ),
    )
    for parameter in both[0].parameters():
        parameter.data = parameter.data.clone()  # elsewhere in memory
        parameter.data.mul_(0.5)
    assert_equal((both[0], copy.deepcopy(both[0]), *both[2:]), passed)


def test_a_copy_has_weights_of_its_own(both):
    passed(both[0], *both[2:])
    twin = copy.deepcopy(both[0])
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(2)
    assert_equal((twin, copy.deepcopy(twin), *both[2:]), passed)
