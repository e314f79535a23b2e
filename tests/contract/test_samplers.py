"""What every sampler keeps to; the YAML folder says which there are."""

import pytest
import torch
from elastic import elastic
from fixtures import ToyTask, combinations, composed, options
from hydra.utils import instantiate

from nascli.core import space as moves
from nascli.core.fault import Fault

SPACES = {"elastic": elastic()}


def space(name):
    """A small space and its supernet."""
    if name not in SPACES:
        sizes = {"cell": {"channels": 2, "cells": 3}, "nasbench201": {"channels": 2}}
        sizes |= {"mobile": {"widths": [4, 6], "depths": [1, 3]}, "chain": {"width": 0.25}}
        sizes |= {"hierarchical": {"channels": [2, 4], "strides": [1, 2], "cells": [[0, 1], 1]}}
        sizes |= {"once_for_all": {"resolutions": [6, 8], "widths": [4, 6], "strides": [1, 2, 2]}}
        sizes["once_for_all"] |= {"activations": ["relu"] * 2, "squeezes": ["none"] * 2}
        make = instantiate(composed(f"space={name}").space, _partial_=True)
        made = make(ToyTask(input_shape=(3, 8, 8)), **sizes[name])
        SPACES[name] = made, made.supernet()
    return SPACES[name]


@pytest.fixture(params=options("sampler"))
def sampler_name(request):
    return request.param


@pytest.fixture
def make(sampler_name):
    return instantiate(composed("strategy=random", f"+sampler={sampler_name}").sampler)


@pytest.mark.parametrize("name", ["elastic", *combinations()["sampler=uniform"]])
def test_every_step_has_paths_of_the_space(make, sampler_name, name):
    made, supernet = space(name)
    if combinations()[f"sampler={sampler_name}"].get(name) == "refused":
        with pytest.raises(Fault, match=f"sampler={sampler_name} .*; take uniform"):
            make(supernet, 0)
        return
    sampler = make(supernet, 0)
    for progress in (0.0, 0.5, 1.0):
        drawn = sampler.paths(progress)
        assert len(drawn) >= 1
        for genotype in drawn:
            assert moves.check(made, genotype) == genotype
            assert supernet.path(genotype).active is not None


def draws(sampler, steps=6):
    return [tuple(sampler.paths(step / steps)) for step in range(steps)]


def test_the_seed_decides_and_nothing_else(make):
    _, supernet = space("elastic")
    before = torch.get_rng_state()
    first = draws(make(supernet, 0))
    assert first == draws(make(supernet, 0))
    assert first != draws(make(supernet, 1))
    assert len(set(first)) > 1
    assert torch.equal(torch.get_rng_state(), before)


def test_it_goes_on_from_its_state(make, tmp_path):
    _, supernet = space("elastic")
    source, other = make(supernet, 0), make(supernet, 1)
    draws(source)
    torch.save(source.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draws(other) == draws(source)
