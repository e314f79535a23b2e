"""Published mobile networks: exact counts, and the outputs of torchvision's own modules."""

from __future__ import annotations

import json

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn
from torchvision import models

from nascli.costs.count import count
from nascli.costs.plans import PlanCounter
from nascli.genotypes import load, published
from nascli.scalings.compound import Compound

# Parameters for 1000 classes: of torchvision's modules, pytorch-image-models' (fbnet_c) and the
# authors' (proxyless, github.com/mit-han-lab/proxylessnas).
PARAMS = {
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "mnasnet_b1": 4_383_312,
    "proxyless_mobile": 4_080_512,
    "proxyless_cpu": 4_361_648,
    "proxyless_gpu": 7_119_848,
    "fbnet_c": 5_572_200,
    "efficientnet_b0": 5_288_548,
}


def space(side=224, classes=1000):
    make = instantiate(composed("space=mobile").space, _partial_=True)
    return make(ToyTask("toy", (3, side, side), classes))


@pytest.mark.parametrize("name", PARAMS)
def test_published_networks_have_exactly_their_parameters(name):
    made = space()
    counts = PlanCounter(made)(load(name))
    assert counts.params == PARAMS[name]
    assert json.loads(published()[name].read_text())["published"]["params"] == PARAMS[name]
    with torch.device("meta"):
        network = made.network(load(name))
    assert counts == count(network, (3, 224, 224))


# Those that torchvision prints beside its weights, in billions, at 224 pixels.
OPERATIONS = {
    "mobilenet_v2": models.MobileNet_V2_Weights,
    "mobilenet_v3_large": models.MobileNet_V3_Large_Weights,
    "mobilenet_v3_small": models.MobileNet_V3_Small_Weights,
    "mnasnet_b1": models.MNASNet1_0_Weights,
    "efficientnet_b0": models.EfficientNet_B0_Weights,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_multiply_adds_are_those_that_torchvision_prints(name):
    printed = OPERATIONS[name].IMAGENET1K_V1.meta["_ops"]
    assert round(PlanCounter(space())(load(name)).macs / 1e9, 3) == printed


# Parameters for 1000 classes as github.com/osmr/imgclsmob asserts them (efficientnet.py), and
# billions of multiply-adds as the paper prints them (arXiv 1905.11946, table 2).
FAMILY = {
    "b0": (5_288_548, 0.39),
    "b1": (7_794_184, 0.70),
    "b2": (9_109_994, 1.0),
    "b3": (12_233_232, 1.8),
    "b4": (19_341_616, 4.2),
    "b5": (30_389_784, 9.9),
    "b6": (43_040_704, 19),
    "b7": (66_347_960, 37),
}


def grown(scaling):
    """Name -> counts of the members that efficientnet_b0 grows to."""
    found = {}
    for name, scale in scaling.scales(224).items():
        made = space(scale.resolution)
        genotype = made.scaled(load("efficientnet_b0"), scale.width, scale.depth)
        found[name] = PlanCounter(made)(genotype)
    return found


def test_efficientnet_b0_grows_to_its_published_family():
    found = grown(instantiate(composed("scaling=efficientnet", verb="scale").scaling))
    assert {name: counts.params for name, counts in found.items()} == {
        name: params for name, (params, _) in FAMILY.items()
    }
    for name, (_, billions) in FAMILY.items():
        assert found[name].macs / 1e9 == pytest.approx(billions, rel=0.05)


def test_the_law_of_compound_scaling_gives_the_first_five_members():
    """At phi 0, 0.5, 1, 2 and 3.5, factors to one decimal; the others are no powers of it."""
    found = grown(Compound(phi=(0, 0.5, 1, 2, 3.5, 5, 6, 7), digits=1))
    params = [counts.params for counts in found.values()]
    published = [params for params, _ in FAMILY.values()]
    assert params[:5] == published[:5]
    assert not set(params[5:]) & set(published)


SAME = {
    "mobilenet_v2": models.mobilenet_v2,
    "mobilenet_v3_large": models.mobilenet_v3_large,
    "mobilenet_v3_small": models.mobilenet_v3_small,
    "mnasnet_b1": models.mnasnet1_0,
    "efficientnet_b0": models.efficientnet_b0,
}


@pytest.mark.parametrize("name", SAME)
def test_outputs_are_those_of_torchvision(name):
    """Running statistics are those of random images, so that every layer tells images apart."""
    torch.manual_seed(0)
    theirs = SAME[name](weights=None, num_classes=10).double()
    norms = [module for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of this one pass
    images = torch.randn(6, 3, 64, 64).double()
    with torch.no_grad():
        theirs.train()(images)
    ours = space(64, 10).network(load(name)).double()
    state = theirs.state_dict()
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in state.values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    assert {n.eps for n in ours.modules() if isinstance(n, nn.BatchNorm2d)} == {norms[0].eps}
    with torch.no_grad():
        expected, found = theirs.eval()(images), ours.eval()(images)
    largest = expected.abs().max()
    assert (expected[0] - expected[1]).abs().max() > 0.1 * largest
    assert (found - expected).abs().max() < 1e-9 * largest
