"""What every operation keeps to; the YAML folder says which there are."""

from functools import cache

import pytest
import torch
from fixtures import composed, options
from omegaconf import OmegaConf

from nascli.operations import resolve


@cache
def factories():
    names = ",".join(options("operation"))
    config = composed(f"operation@space.operations=[{names}]").space.operations
    return resolve(OmegaConf.to_container(config))


@pytest.fixture(params=options("operation"))
def factory(request):
    return factories()[request.param]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [7, 8])
def test_shapes(factory, stride, side, shared):
    module = factory(6, 6, stride, shared)
    images = torch.randn(2, 6, side, side, requires_grad=True)
    result = module(images)
    rows = -(-side // stride)  # rounded up
    assert result.shape == (2, 6, rows, rows)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_supernets_batch_norms_have_no_weights(factory, stride):
    norms = [
        module
        for module in factory(6, 6, stride, True).modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    ]
    assert all(not norm.affine for norm in norms)
