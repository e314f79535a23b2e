"""What is computed, what is shared and what is left out; a path against its network."""

from __future__ import annotations

import random

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.choice import Choice, Edge
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Place
from nascli.core.space import sample
from nascli.core.supernet import Mixture
from nascli.kernels.native import library
from nascli.operations.separable import SeparableConv
from nascli.supernet.graph import MixedGraph, Unpacked


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
    genotype = Genotype("nasbench201", tuple(e.name for e in supernet.choices), tuple(names))
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


def graph_of(*edges, shape=(3, 5, 5), stride=1, make=lambda _: nn.Identity()):
    """A graph of one cell; an edge is (source, target, options)."""
    small = (shape[0], -(-shape[1] // stride), -(-shape[2] // stride))
    places, choices = [], []
    for target in sorted({target for _, target, _ in edges}):
        into = [edge for edge in edges if edge[1] == target]
        for source, _, options in into:
            choice = Edge(f"{target}<-{source}", "cell", options, source, target)
            layers = [Layer(o, 3, 3, stride, *shape[1:]) for o in options]
            layers = tuple(None if layer.operation == "none" else layer for layer in layers)
            choices.append(choice)
            places.append(
                Place("choice", choice.name, (str(source),), small, choice=choice, options=layers)
            )
        inputs = tuple(f"{target}<-{source}" for source, _, _ in into)
        places.append(Place("add", str(target), inputs, small))
    rows = {choice: row for row, choice in enumerate(choices)}
    return choices, MixedGraph(places, rows, make)


def test_a_state_without_edges_is_zero():
    images = torch.randn(2, 3, 5, 5)
    for stride, size in ((1, 5), (2, 3)):
        edges = (0, 1, ("none", "skip")), (1, 2, ("skip",))
        choices, graph = graph_of(*edges, stride=stride)
        for active in (((0,), ()), ((), ())):
            mixture = Mixture(torch.ones(2, 2), active=active)
            states = graph([images], Unpacked(mixture, choices))
            assert all(torch.equal(state, torch.zeros(2, 3, size, size)) for state in states)


@pytest.mark.parametrize(("stride", "shared"), [(3, True), (1, False)])
def test_torch_computes_strides_and_scales_that_the_kernels_in_c_do_not_have(stride, shared):
    convolution = SeparableConv(3, 3, stride, shared, 3)
    for scale in (p for p in convolution.parameters() if p.ndim == 1):
        nn.init.normal_(scale)
    choices, graph = graph_of((0, 1, ("conv",)), stride=stride, make=lambda _: convolution)
    images, weights = torch.randn(2, 3, 5, 5), Unpacked(Mixture(torch.ones(1, 1)), choices)
    (found,) = graph([images], weights)
    with library.without():
        (expected,) = graph([images], weights)
    assert torch.allclose(found, expected, atol=1e-5)


class Times(nn.Module):
    """Multiplies; without weights."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, state):
        return self.factor * state


def test_a_choice_outside_of_cells_is_a_graph_of_its_own():
    layers = (Layer("once", 3, 3, 1, 5, 5), Layer("twice", 3, 3, 1, 5, 5))
    choice = Choice("block", "", ("once", "twice"))
    place = Place("choice", "blocks.0", ("stem",), (3, 5, 5), choice=choice, options=layers)
    graph = MixedGraph([place], {choice: 0}, lambda layer: Times(1 + (layer.operation == "twice")))
    assert (graph.inputs, graph.names, graph.edges) == (("stem",), ("stem", "blocks.0"), [(0, 1)])
    images = torch.randn(2, 3, 5, 5)
    (state,) = graph([images], Unpacked(Mixture(torch.tensor([[0.25, 0.5]])), [choice]))
    assert torch.allclose(state, 1.25 * images)


def test_options_of_one_name_are_shared_only_if_their_layers_are_alike():
    made = []

    def make(layer):
        made.append(layer)
        return Times(layer.height)

    choices, _ = graph_of((0, 1, ("pool",)), (0, 2, ("pool",)), make=make)
    assert len(made) == 1
    images = torch.randn(2, 3, 5, 5)
    unlike = Layer("pool", 3, 3, 1, 6, 6)
    places = [
        Place("choice", c.name, ("0",), (3, 5, 5), choice=c, options=(layer,))
        for c, layer in zip(choices, (made[0], unlike), strict=True)
    ]
    graph = MixedGraph(places, {c: row for row, c in enumerate(choices)}, make)
    states = graph([images], Unpacked(Mixture(torch.ones(2, 1)), choices))
    assert torch.equal(states[0], 5 * images)
    assert torch.equal(states[1], 6 * images)


def test_a_cell_has_only_choices_and_additions_of_them():
    layer = Layer("conv", 3, 3, 1, 5, 5)
    place = Place("layer", "cell.conv", ("0",), (3, 5, 5), layer)
    with pytest.raises(ValueError, match=r"choices and additions of choices only; got cell\.conv"):
        MixedGraph([place], {}, lambda _: Times(1))
