"""The supernet of a user's space: a chain of choices without cells, with a residual connection."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from fixtures import ToyTask

from nascli.core import space as moves
from nascli.core.choice import Choice
from nascli.core.fault import Fault
from nascli.core.plan import IMAGES, Layer, Place, Plan
from nascli.core.space import Deepens, Derivable, Relaxable, check, strongest
from nascli.core.supernet import Mixture, PartialChannels
from nascli.networks.building import build, builders
from nascli.networks.network import Network
from nascli.operations import resolve
from nascli.supernet.planned import PlannedSupernet

CONV = {"_target_": "nascli.operations.convolution.ReluConvNorm", "kernel": 3}
WIDE = {**CONV, "kernel": 5}
SKIP = {"_target_": "nascli.operations.skip.skip_connect"}


class Chain:
    """Stem, a block with a residual connection, a block that halves, classifier."""

    name = "chain"

    def __init__(self, task, wider=True):
        self.task, self.out = task, 8 if wider else 4
        self.factories = resolve({"conv": CONV, "wide": WIDE, "skip": SKIP})

    @property
    def decisions(self):
        return {"a": ("none", "conv", "wide"), "b": ("conv", "wide", "skip")}

    def plan(self, genotype=None):
        chosen = None if genotype is None else check(self, genotype).choices
        images, height, width = self.task.input_shape
        stem = Layer("stem", images, 4, 1, height, width)
        places = [Place("layer", "stem", (IMAGES,), stem.shape, stem)]
        first = self._place("a", "stem", stem.shape, 4, 1, chosen)
        places += first
        inputs = (*(place.name for place in first), "stem")
        places.append(Place("add", "sum", inputs, stem.shape))
        places += self._place("b", "sum", stem.shape, self.out, 2, chosen)
        shape = places[-1].shape
        last = Layer("classifier", shape[0], self.task.classes, 1, *shape[1:])
        places.append(Place("layer", "last", (places[-1].name,), (self.task.classes, 1, 1), last))
        return Plan(self.task.input_shape, tuple(places), "last")

    def _place(self, decision, read, shape, out, stride, chosen):
        options = self.decisions[decision]
        layers = {o: Layer(o, shape[0], out, stride, *shape[1:]) for o in options}
        layers["none"] = None
        name, after = f"blocks.{decision}", layers[options[-1]].shape
        if chosen is None:
            choice, found = Choice(decision, "", options), tuple(layers[o] for o in options)
            return [Place("choice", name, (read,), after, choice=choice, options=found)]
        layer = layers[chosen[decision]]
        return [Place("layer", name, (read,), after, layer)] if layer else []

    def taken(self, genotype):
        return genotype.choices

    def derive(self, strengths):
        return strongest(self.name, self.plan().choices, strengths)

    def network(self, genotype):
        return Network(self.plan(genotype), partial(build, self.factories))

    def supernet(self):
        return PlannedSupernet(self, self.plan(), self.factories)

    def layers(self):
        return builders(self.factories, self.plan())

    def canonical(self, genotype):
        return genotype

    def describe(self, genotype):
        return str(genotype)


SPACE = Chain(ToyTask(input_shape=(3, 8, 8)))


def genotypes(space=SPACE):
    return [moves.at(space, number) for number in range(moves.size(space))]


def test_the_space_and_its_supernet_keep_to_what_they_can():
    assert isinstance(SPACE, Relaxable) and isinstance(SPACE, Derivable)
    assert not isinstance(SPACE, Deepens)
    supernet = SPACE.supernet()
    assert isinstance(supernet, PartialChannels)
    assert [choice.name for choice in supernet.choices] == ["a", "b"]


def test_a_path_is_the_network_with_the_same_weights():
    torch.manual_seed(0)
    supernet = SPACE.supernet().double().eval()
    for module in supernet.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, 8, 8).double()
    shared = supernet.state_dict()
    for genotype in genotypes():
        network = SPACE.network(genotype).double().eval()
        own = network.state_dict()
        for name in own:
            for decision, option in genotype.choices.items():
                start = f"blocks.{decision}."
                inside = f"{start}weighted.0.{option}.{name.removeprefix(start)}"
                if name.startswith(start) and inside in shared:
                    own[name] = shared[inside]
            if name in shared:
                own[name] = shared[name]
        network.load_state_dict(own)
        found = supernet(images, supernet.path(genotype))
        assert torch.allclose(found, network(images), rtol=1e-10, atol=1e-10)


def test_paths_differ_and_mixtures_learn():
    torch.manual_seed(0)
    supernet = SPACE.supernet().train()
    images = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        logits = [supernet(images, supernet.path(genotype)) for genotype in genotypes()]
    for number, one in enumerate(logits):
        assert not any(torch.allclose(one, other) for other in logits[:number])
    weights = torch.full((2, 3), 0.3, requires_grad=True)
    copy.deepcopy(supernet)(images, Mixture(weights)).square().sum().backward()
    assert weights.grad[0, 0] == 0  # `none` scales nothing
    assert (weights.grad.flatten()[1:] != 0).all()


def test_derived_are_the_strongest_options():
    supernet = SPACE.supernet()
    strengths = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.4, 0.5]])
    assert supernet.derive(strengths).options == ("wide", "skip")
    strengths[0, 1:] = 0
    assert supernet.derive(strengths).options == ("none", "skip")


def test_channels_pass_by_only_where_no_option_changes_them():
    with pytest.raises(Fault, match="needs options that keep their channels; 'conv' makes 8 of 4"):
        SPACE.supernet().set_partial_channels(2)
    space = Chain(SPACE.task, wider=False)
    supernet = space.supernet().train()
    supernet.set_partial_channels(2)
    assert supernet.blocks.a.weighted[0]["conv"].body.weight.shape == (2, 2, 3, 3)
    supernet(torch.randn(4, 3, 8, 8), supernet.path(genotypes(space)[-1])).sum().backward()
