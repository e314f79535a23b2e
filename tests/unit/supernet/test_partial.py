from __future__ import annotations

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn
from torch.nn import functional as F

from nascli.core.choice import Edge
from nascli.core.fault import Fault
from nascli.core.plan import Layer, Place
from nascli.core.supernet import Mixture
from nascli.supernet.graph import MixedGraph, Unpacked
from nascli.supernet.partial import check_partial, halved, joined, split, widen


def supernet_of(name, **settings):
    torch.manual_seed(0)
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 8, 8)), **settings).supernet()


SMALL = {"cell": {"cells": 3, "nodes": 2}, "nasbench201": {"cells_per_stage": 1}}


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("k", [2, 3])
def test_channels_are_split_and_shuffled(k, layout):
    state = torch.randn(2, 6, 3, 4).contiguous(memory_format=layout)
    part, others = split(state, k)
    assert torch.equal(part, state[:, : 6 // k])
    assert torch.equal(joined(part, others, k), F.channel_shuffle(state.contiguous(), k))


def test_an_odd_last_row_is_pooled_alone():
    assert halved(torch.arange(9.0).view(1, 1, 3, 3)).tolist() == [[[[4, 5], [7, 8]]]]


@pytest.mark.parametrize("k", [0, 3, 16])
def test_k_must_divide_the_channels(k):
    text = (
        f"strategy.partial_channels is {k}; it must divide the supernet's channels 8, 16 and 32 "
        r"\(allowed: 1, 2, 4, 8\)"
    )
    with pytest.raises(Fault, match=text):
        check_partial(k, [8, 8, 16, 32])


@pytest.mark.parametrize("name", ["cell", "nasbench201"])
def test_a_supernet_refuses_and_stays_as_it_was(name):
    supernet = supernet_of(name, channels=4)
    before = list(supernet.parameters())
    with pytest.raises(Fault, match="it must divide the supernet's channels 4, 8 and 16"):
        supernet.set_partial_channels(3)
    supernet.set_partial_channels(1)
    assert all(a is b for a, b in zip(before, supernet.parameters(), strict=True))


def test_operations_shrink_with_their_channels():
    supernet = supernet_of("nasbench201", channels=8, cells_per_stage=1)
    fixed = parameters(supernet) - parameters(supernet.stages)
    supernet.eval().set_partial_channels(4)
    # Six edges: a 1x1 and a 3x3 convolution on 2, 4 and 8 channels.
    assert parameters(supernet.stages) == 6 * 10 * (2**2 + 4**2 + 8**2)
    assert parameters(supernet) - parameters(supernet.stages) == fixed
    assert not any(module.training for module in supernet.modules())


def graph_of(k):
    edge = Edge("1<-0", "cell", ("none", "twice"), 0, 1)
    options = None, Layer("twice", 4, 4, 1, 2, 2)
    place = Place("choice", "1<-0", ("0",), (4, 2, 2), choice=edge, options=options)
    return [edge], MixedGraph([place], {edge: 0}, lambda _: Twice(), partial=k)


class Twice(nn.Module):
    def forward(self, state):
        return 2 * state


def test_channels_pass_by_where_only_none_is_active_but_not_where_no_edge_is():
    edges, graph = graph_of(2)
    state = torch.randn(1, 4, 2, 2)
    factor, weights = torch.tensor([3.0]), torch.tensor([[0.5, 0.5]])
    part, others = state[:, :2], 3 * state[:, 2:]
    for active, expected in [
        ((0, 1), torch.cat([3 * part, others], 1)),
        ((0,), torch.cat([0 * part, others], 1)),
        ((), None),
    ]:
        mixture = Mixture(weights, (active,), factor)
        out = graph([state], Unpacked(mixture, edges))[-1]
        expected = 0 * state if expected is None else F.channel_shuffle(expected, 2)
        assert torch.allclose(out, expected)


def test_wider_operations_start_from_copies():
    old, new = nn.Conv2d(2, 2, 1, bias=False), nn.Conv2d(4, 4, 1, bias=False)
    widen(new, old)
    assert torch.equal(new.weight, old.weight.repeat(2, 2, 1, 1))
    old, new = nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(3, affine=False)
    old(torch.randn(4, 2, 3, 3))
    widen(new, old)
    assert torch.equal(new.running_var, old.running_var[[0, 1, 0]])
    assert new.num_batches_tracked == 1


@pytest.mark.parametrize("name", ["cell", "nasbench201"])
def test_a_smaller_k_widens_what_was_learnt(name):
    supernet = supernet_of(name, channels=4, **SMALL[name])
    supernet.set_partial_channels(4)
    supernet(torch.randn(4, 3, 8, 8), Mixture(torch.rand(len(supernet.choices), options(supernet))))
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    supernet.set_partial_channels(2)
    for key, value in supernet.state_dict().items():
        old = before[key]
        corner = value[tuple(slice(size) for size in old.shape)]
        assert torch.equal(corner, old), key
    supernet(torch.randn(4, 3, 8, 8), Mixture(torch.rand(len(supernet.choices), options(supernet))))


def options(supernet):
    return len(supernet.choices[0].options)


def test_supernets_of_more_cells():
    make = instantiate(composed("space=cell").space, _partial_=True)
    space = make(ToyTask(), channels=4, cells=5, nodes=2)
    supernet, deep = space.supernet(), space.supernet_at(2.2)
    assert (len(supernet.blocks), len(deep.blocks)) == (5, 11)
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    deep = make(ToyTask(), channels=4, cells_per_stage=2).supernet_at(1.5)
    places = deep.plan.by_choice[deep.choices[0]]
    assert [place.shape[0] for place in places] == [4, 4, 4, 8, 8, 8, 16, 16, 16]
