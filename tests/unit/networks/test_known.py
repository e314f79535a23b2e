import pytest
import torch
import torchvision
from fixtures import ToyTask
from torch import nn

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace, check
from nascli.networks.known import NAMES, Known
from nascli.programs.networks import costs_of, network_of

FAMILIES = (
    "resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5",
    "mnasnet0_5", "efficientnet_b0",
)  # fmt: skip


def known(channels, size, classes):
    return Known(ToyTask(input_shape=(channels, size, size), classes=classes))


def params(network):
    return sum(p.numel() for p in network.parameters())


def test_torchvision_has_them_all():
    assert set(NAMES) <= set(torchvision.models.list_models(module=torchvision.models))


@pytest.mark.parametrize("name", FAMILIES)
def test_on_usual_images_it_is_torchvisions_own(name):
    space = known(3, 64, 1000)
    with torch.device("meta"):
        network = space.network(space.genotype(name))
        own = torchvision.models.get_model(name, weights=None)
    assert str(network) == str(own) and params(network) == params(own)


@pytest.mark.parametrize("name", FAMILIES)
def test_small_images_of_other_channels_are_taken(name):
    space = known(1, 8, 10)
    space.check(space.genotype(name), 2)
    with torch.device("meta"):
        network = space.network(space.genotype(name))
        own = torchvision.models.get_model(name, weights=None, num_classes=10)
    first, before = (
        next(m for m in n.modules() if isinstance(m, nn.Conv2d)) for n in (network, own)
    )
    assert (first.stride, before.stride) == ((1, 1), (2, 2))
    assert params(own) - params(network) == 2 * before.weight.numel() // 3
    assert not any(isinstance(m, nn.MaxPool2d) for m in network.modules())


def test_images_that_it_cannot_take_are_refused():
    space = known(3, 4, 10)
    with pytest.raises(Fault, match=r"densenet121 cannot be trained on images of 3 x 4 x 4"):
        space.check(space.genotype("densenet121"), 2)
    with pytest.raises(Fault, match=r"resnet18 .* in batches of 1: Expected more than 1 value"):
        known(3, 8, 10).check(space.genotype("resnet18"), 1)


def test_it_is_a_space_whose_networks_are_counted_and_follow_from_the_seed():
    space = known(1, 8, 10)
    assert isinstance(space, SearchSpace)
    genotype = check(space, space.genotype("mnasnet0_5"))
    problem = Problem(space, space.task, None, seed=3)
    first, again, other = (
        next(network_of(p, genotype).parameters()).detach()
        for p in (problem, problem, Problem(space, space.task, None, seed=4))
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    costs = costs_of(problem, genotype)
    assert costs["params"] == params(network_of(problem, genotype))
    assert costs["macs"] > costs["params"]
    assert "mnasnet0_5" in space.describe(genotype)
