"""What is computed, what is shared and what is left out; a path against its network."""

from __future__ import annotations

import random

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.choice import Edge
from nascli.core.genotype import Genotype
from nascli.core.space import sample
from nascli.core.supernet import Mixture
from nascli.supernet.graph import FixedGraph, MixedGraph, Weights


def space_of(name, shape=(3, 8, 8), **settings):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask(input_shape=shape), **settings)


def recorded(module, option, calls):
    """The name of the method that computes, and that method, which notes the option first."""
    name = "deferred" if hasattr(module, "deferred") else "forward"
    compute = getattr(module, name)

    def noted(state):
        calls.append(option)
        return compute(state)

    return name, noted


def test_inactive_options_and_none_are_not_computed(monkeypatch):
    supernet = space_of("nasbench201", channels=2, cells_per_stage=1).supernet()
    calls = []
    graph = supernet.stages[0][0]
    for modules in (*graph.weighted, *graph.free):
        for option, module in modules.items():
            monkeypatch.setattr(module, *recorded(module, option, calls))
    names = ["none", "skip_connect", "avg_pool_3x3", "none", "nor_conv_1x1", "none"]
    genotype = Genotype("nasbench201", tuple(e.name for e in supernet.edges), tuple(names))
    supernet(torch.randn(2, 3, 8, 8), supernet.path(genotype))
    assert sorted(calls) == ["avg_pool_3x3", "nor_conv_1x1", "skip_connect"]


def test_edges_that_leave_a_state_share_a_pool():
    supernet = space_of("nasbench201", channels=2, cells_per_stage=1).supernet()
    calls = []
    graph = supernet.stages[0][0]
    pools = [modules["avg_pool_3x3"] for modules in graph.free if "avg_pool_3x3" in modules]
    for pool in pools:
        pool.register_forward_hook(lambda *_: calls.append(1))
    supernet(torch.randn(2, 3, 8, 8), Mixture(torch.ones(6, 5)))
    assert len(calls) == len(pools) == 3


@pytest.mark.parametrize("name", ["cell", "nasbench201"])
def test_a_path_is_the_network_with_the_same_weights(name):
    settings = {"operations": dict(composed(f"space={name}").space.operations)}
    for option in ("max_pool_3x3", "avg_pool_3x3"):  # the supernet of `cell` normalises them
        settings["operations"].pop(option, None)
    space = space_of(name, channels=4, **settings)
    supernet = space.supernet().double().eval()
    images = torch.randn(2, 3, 8, 8).double()
    for seed in range(3):
        genotype = sample(space, random.Random(seed))
        network = space.network(genotype).double().eval()
        copy_weights(space, supernet, network, genotype)
        expected = network(images)
        logits = supernet(images, supernet.path(genotype))
        assert torch.allclose(logits, expected, rtol=1e-10, atol=1e-10)


def copy_weights(space, supernet, network, genotype):
    """Gives a network the weights of its path; fixed layers have the same names in both."""
    own = network.state_dict()
    fixed = {k: v for k, v in supernet.state_dict().items() if "weighted" not in k and k in own}
    network.load_state_dict(fixed, strict=False)
    taken = {name: o for name, o in space.taken(genotype).items() if o != "none"}
    plan, places = space.plan(genotype), space.plan().places
    for cell in dict.fromkeys(place.cell for place in places if place.cell):
        edges = [place.choice.name for place in places if place.cell == cell and place.choice]
        operations = [p.name for p in plan.places if p.cell == cell and p.kind == "layer"]
        chosen = [(n, taken[name]) for n, name in enumerate(edges) if name in taken]
        for name, (number, option) in zip(operations, chosen, strict=True):
            shared = supernet.get_submodule(f"{cell}.weighted.{number}")
            if option in shared:
                state = shared[option].state_dict()
                network.get_submodule(name).load_state_dict(state, strict=False)


def test_a_state_without_edges_is_zero():
    images = torch.randn(2, 3, 5, 5)
    for stride, size in ((1, 5), (2, 3)):
        fixed = FixedGraph(4, [(0, 2, nn.Identity())], stride)([images, images])
        assert torch.equal(fixed[2], images)
        assert torch.equal(fixed[3], torch.zeros(2, 3, size, size))
    edges = [Edge("1<-0", "cell", ("none", "skip"), 0, 1), Edge("2<-1", "cell", ("skip",), 1, 2)]
    mixed = MixedGraph(edges, range(2), lambda _option, _source: nn.Identity(), stride=2)
    mixture = Mixture(torch.ones(2, 2), active=((0,), (0,)))
    assert not mixed([images], Weights(mixture, edges))[-1].any()


def test_each_image_drops_edges_that_are_no_identity_in_training_mode():
    torch.manual_seed(0)
    graph = FixedGraph(3, [(0, 1, nn.Sequential()), (0, 2, nn.Identity())])
    images = torch.ones(1000, 1, 2, 2)
    dropped, kept = graph([images], 0.25)[1:]
    assert torch.equal(kept, images)
    assert (dropped == dropped[:, :, :1, :1]).all()
    values = dropped[:, 0, 0, 0]
    assert values.unique().tolist() == [0, pytest.approx(1 / 0.75)]
    assert 200 < (values == 0).sum() < 300  # 250 expected, standard deviation 13.7
    assert torch.equal(graph.eval()([images], 0.25)[1], images)
    assert torch.equal(graph.train()([images])[1], images)
