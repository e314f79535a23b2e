"""Published counts of parameters and multiply-adds, without any tolerance."""

from __future__ import annotations

import random

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.genotype import Genotype
from nascli.core.space import sample
from nascli.genotypes import load


def space_of(name, shape=(3, 32, 32), classes=10, **settings):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask("toy", shape, classes), **settings)


def network_of(space, genotype):
    with torch.device("meta"):
        return space.network(genotype).eval()


def params(module):
    return sum(p.numel() for p in module.parameters())


def multiply_adds(network, shape):
    """Those of convolutions and linear layers; a linear layer's bias counts as one an output."""
    total = 0

    def add(module, _inputs, output):
        nonlocal total
        pixels = output[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
        total += pixels * module.weight.numel()
        total += 0 if module.bias is None else module.bias.numel()

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(add)
    with torch.no_grad():
        network(torch.zeros(1, *shape, device="meta"))
    return total


# C = 36, 20 cells, 10 classes; without and with the auxiliary head.
CIFAR10 = {
    "darts_v1": (3_169_414, 3_645_840),
    "darts_v2": (3_349_342, 3_825_768),
    "pdarts": (3_433_798, 3_910_224),
}


@pytest.mark.parametrize("name", CIFAR10)
def test_cell_networks_on_cifar10(name):
    for auxiliary, expected in zip((False, True), CIFAR10[name], strict=True):
        space = space_of("cell", channels=36, cells=20, auxiliary=auxiliary)
        assert params(network_of(space, load(name))) == expected


# C = 48, 14 cells, 1000 classes, 224 pixels a side.
@pytest.mark.parametrize(
    ("name", "expected"),
    [("darts_v1", 4_510_432), ("darts_v2", 4_718_752), ("pdarts", 4_944_352)],
)
def test_cell_networks_on_imagenet(name, expected):
    space = space_of("cell", (3, 224, 224), 1000, channels=48, cells=14)
    assert params(network_of(space, load(name))) == expected


def test_the_cell_supernet():
    with torch.device("meta"):
        supernet = space_of("cell").supernet()
    assert params(supernet) == 1_930_618


# Millions of parameters and of multiply-adds as printed; C = 36, 20 cells, CIFAR-10. The sources
# round or cut off the last digit. From the listings in FairDARTS (github.com/xiaomi-automl) and the
# tables of the papers; None where multiply-adds are not given.
@pytest.mark.parametrize(
    ("name", "millions", "mega_macs"),
    [
        ("snas", 2.66, 422),
        ("darts_v2", 3.3, 528),
        ("pdarts", 3.43, 532),
        ("pc_darts_cifar", 3.63, None),
        ("mdenas", 3.78, 599),
        ("gdas", 3.4, 519),
        ("drnas", 4.1, None),
        ("sdarts_adv", 3.3, None),
    ],
)
def test_published_genotypes_have_the_size_their_sources_print(name, millions, mega_macs):
    network = network_of(space_of("cell", channels=36, cells=20), load(name))
    digits = len(str(millions).partition(".")[2])
    assert abs(params(network) / 1e6 - millions) < 10**-digits
    if mega_macs is not None:
        assert abs(multiply_adds(network, (3, 32, 32)) / 1e6 - mega_macs) < 1


# Cells of DARTS-PT (Wang et al. 2021, arXiv 2108.04392) with the sizes printed beside them in the
# authors' list (github.com/ruocwang/darts-pt, sota/cnn/genotypes.py, darts_pt_s5_0 to 3).
SHORT = {
    "s3": "sep_conv_3x3", "s5": "sep_conv_5x5", "d3": "dil_conv_3x3", "d5": "dil_conv_5x5",
    "sk": "skip_connect", "mp": "max_pool_3x3", "ap": "avg_pool_3x3",
}  # fmt: skip
DARTS_PT = [
    ("s30 s31 s50 d31 sk0 sk2 sk0 mp4", "s30 ap1 d51 d32 ap0 mp2 s32 sk4", 2.85),
    ("s30 s31 s30 d31 mp0 sk2 sk0 d34", "d50 ap1 mp0 s52 mp1 d33 s50 s34", 3.05),
    ("sk0 s31 s30 d31 sk2 d33 mp1 sk2", "ap0 mp1 ap0 s31 d52 sk3 s32 s54", 2.66),
    ("s30 s31 s30 s31 sk0 sk2 s31 sk3", "ap0 s51 mp1 sk2 d51 mp3 s52 sk3", 3.33),
]


@pytest.mark.parametrize(("normal", "reduction", "millions"), DARTS_PT)
def test_cells_that_are_not_shipped(normal, reduction, millions):
    choices = {}
    for group, listing in (("normal", normal), ("reduction", reduction)):
        words = listing.split()
        for node in range(2, 6):
            first, second = words[2 * node - 4 : 2 * node - 2]
            choices[f"{group}/{node}/inputs"] = f"{first[2]}+{second[2]}"
            choices[f"{group}/{node}/first"] = SHORT[first[:2]]
            choices[f"{group}/{node}/second"] = SHORT[second[:2]]
    space = space_of("cell", channels=36, cells=20)
    network = network_of(space, Genotype.of("cell", choices))
    assert abs(params(network) / 1e6 - millions) < 0.01


def test_nasbench201_on_cifar10():
    space = space_of("nasbench201")
    rng = random.Random(0)
    for genotype in (sample(space, rng) for _ in range(20)):
        network = network_of(space, genotype)
        three, one = (genotype.options.count(f"nor_conv_{k}x{k}") for k in (3, 1))
        assert params(network) == 73_306 + 243_040 * three + 28_000 * one
        macs = 7_783_050 + 35_389_440 * three + 3_932_160 * one
        assert multiply_adds(network, (3, 32, 32)) == macs
