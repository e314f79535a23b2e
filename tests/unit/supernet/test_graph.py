"""The source-by-source evaluation against a plain one, edge by edge and option by option."""

from __future__ import annotations

import random

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.genotype import Genotype
from nascli.core.space import sample
from nascli.core.supernet import Edge, Mixture
from nascli.operations.separable import DilatedDepthwise
from nascli.operations.skip import Zero
from nascli.supernet.graph import FixedGraph, MixedGraph, Weights


def space_of(name, shape=(3, 8, 8), **settings):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask(input_shape=shape), **settings)


def plain_graph(graph, inputs, mixture, edges):
    """Every option of every edge on its own, `none` included; all states."""
    states = list(inputs)
    for target in range(len(inputs), graph.states):
        terms = []
        for place, (edge, row) in enumerate(zip(graph.edges, graph.rows, strict=True)):
            for number, option in enumerate(edge.options):
                if edge.target != target:
                    continue
                state, modules = states[edge.source], graph.weighted[place]
                if option == "none":
                    stride = graph.stride if edge.source < len(inputs) else 1
                    operation = Zero(state.shape[1], state.shape[1], stride, True)
                else:
                    free = graph.free[edge.source]
                    operation = free[option] if option in free else modules[option]
                terms.append(mixture.weights[row, number] * operation(state))
        states.append(torch.stack(terms).sum(0))
    return states


def plain_cell(supernet, images, mixture):
    before = previous = supernet.stems[0](images)
    for block in supernet.blocks:
        inputs = block.preprocess[0](before), block.preprocess[1](previous)
        states = plain_graph(block.graph, inputs, mixture, supernet.edges)
        before, previous = previous, torch.cat(states[2:], dim=1)
    return supernet.classifier(previous)


def plain_nasbench201(supernet, images, mixture):
    state = supernet.stem(images)
    for number, cells in enumerate(supernet.stages):
        state = state if number == 0 else supernet.reductions[number - 1](state)
        for cell in cells:
            state = plain_graph(cell, [state], mixture, supernet.edges)[-1]
    return supernet.last(state)


def losses_and_gradients(logits, parameters):
    torch.manual_seed(1)
    loss = (logits * torch.randn_like(logits)).sum()
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    zeros = [torch.zeros_like(p) for p in parameters]
    return logits, *(z if g is None else g for g, z in zip(found, zeros, strict=True))


CASES = {
    "cell": ((1, 8, 8), {"channels": 2, "cells": 5}, plain_cell),
    "cell of odd size": ((3, 7, 9), {"channels": 3, "cells": 3, "nodes": 2}, plain_cell),
    "nasbench201": ((3, 8, 8), {"channels": 3, "cells_per_stage": 2}, plain_nasbench201),
}


@pytest.mark.parametrize("active", ["all", "some"])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_the_plain_evaluation(case, active, monkeypatch):
    shape, settings, plain = CASES[case]
    torch.manual_seed(0)
    supernet = space_of(case.split()[0], shape, **settings).supernet().double().train()
    rows, columns = len(supernet.edges), len(supernet.edges[0].options)
    weights = torch.rand(rows, columns, dtype=torch.double)
    chosen = None
    if active == "some":
        chosen = tuple((row % columns, (row + 2) % columns) for row in range(rows))
        kept = torch.zeros_like(weights)
        for row, numbers in enumerate(chosen):
            kept[row, list(numbers)] = 1
        weights = weights * kept
    weights.requires_grad_()
    images = torch.randn(4, *shape).double().contiguous(memory_format=torch.channels_last)
    parameters = [*supernet.parameters()]
    ours = losses_and_gradients(supernet(images, Mixture(weights, chosen)), [*parameters, weights])
    monkeypatch.setattr(DilatedDepthwise, "forward", nn.Conv2d.forward)
    theirs = losses_and_gradients(plain(supernet, images, Mixture(weights)), [*parameters, weights])
    if chosen is not None:  # what does not take part has no gradient
        theirs = (*theirs[:-1], theirs[-1] * (weights != 0))
    for our, their in zip(ours, theirs, strict=True):
        assert torch.allclose(our, their, rtol=1e-10, atol=1e-10)
    assert max(gradient.abs().max() for gradient in ours[1:]) > 0.01


def test_inactive_options_and_none_are_not_computed():
    supernet = space_of("nasbench201", channels=2, cells_per_stage=1).supernet()
    calls = []
    graph = supernet.stages[0][0]
    for modules in (*graph.weighted, *graph.free):
        for option, module in modules.items():
            leaf = getattr(module, "body", module)
            leaf.register_forward_hook(lambda *_, option=option: calls.append(option))
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
        copy_weights(supernet, network, genotype)
        expected = network(images)
        logits = supernet(images, supernet.path(genotype))
        assert torch.allclose(logits, expected, rtol=1e-10, atol=1e-10)


def copy_weights(supernet, network, genotype):
    """Gives a network the weights of its path; fixed parts have the same names in both."""
    own = network.state_dict()
    fixed = {k: v for k, v in supernet.state_dict().items() if "weighted" not in k and k in own}
    network.load_state_dict(fixed, strict=False)
    graphs = [m for m in supernet.modules() if isinstance(m, MixedGraph)]
    for mixed, chosen in zip(graphs, fixed_graphs(network), strict=True):
        for (source, target), operation in zip(chosen.places, chosen.operations, strict=True):
            place = [(edge.source, edge.target) for edge in mixed.edges].index((source, target))
            if operation.operation in mixed.weighted[place]:
                shared = mixed.weighted[place][operation.operation]
                operation.load_state_dict(shared.state_dict(), strict=False)


def fixed_graphs(network):
    return [module for module in network.modules() if isinstance(module, FixedGraph)]


def test_a_state_without_edges_is_zero():
    images = torch.randn(2, 3, 5, 5)
    for stride, size in ((1, 5), (2, 3)):
        fixed = FixedGraph(4, [(0, 2, nn.Identity())], stride)([images, images])
        assert torch.equal(fixed[2], images)
        assert torch.equal(fixed[3], torch.zeros(2, 3, size, size))
    edges = [Edge("1<-0", "cell", 0, 1, ("none", "skip")), Edge("2<-1", "cell", 1, 2, ("skip",))]
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
