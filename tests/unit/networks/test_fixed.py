from __future__ import annotations

from math import ceil

import pytest
import torch
from torch.nn import functional as F

from nascli.networks.fixed import AuxiliaryHead, ResidualReduction


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_the_shortcut_of_a_residual_reduction_averages_what_there_is(size):
    block = ResidualReduction(1, 1)
    with torch.no_grad():
        block.shortcut[1].weight.fill_(1)
    images = torch.rand(1, 1, *size)
    expected = [
        [images[0, 0, i : i + 2, j : j + 2].mean() for j in range(0, size[1], 2)]
        for i in range(0, size[0], 2)
    ]
    assert torch.allclose(block.shortcut(images)[0, 0], torch.tensor(expected))
    assert block(images).shape == (1, 1, ceil(size[0] / 2), ceil(size[1] / 2))


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (4, 4), (1, 1), (3, 9)])
def test_the_auxiliary_head_takes_any_size(size):
    assert AuxiliaryHead(5, 7, size).eval()(torch.randn(2, 5, *size)).shape == (2, 7)


@pytest.mark.parametrize(("side", "stride"), [(8, 3), (7, 2)])
def test_the_auxiliary_head_pools_as_published(side, stride):
    head = AuxiliaryHead(1, 2, (side, side))
    images = torch.rand(1, 1, side, side)
    assert torch.allclose(head.features[1](images), F.avg_pool2d(images, 5, stride))


def test_weights_of_the_auxiliary_heads():
    # 1x1 to 128, 2x2 to 768, the linear layer; batch norm after the first, on CIFAR both.
    weights = 5 * 128 + 256 + 4 * 128 * 768 + (768 + 1) * 7
    for imagenet in (False, True):
        head = AuxiliaryHead(5, 7, (8, 8), imagenet=imagenet)
        assert sum(p.numel() for p in head.parameters()) == weights + (0 if imagenet else 1536)
