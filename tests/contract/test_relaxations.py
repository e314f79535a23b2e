"""What every relaxation keeps to; the YAML folder says which there are."""

from functools import cache
from types import SimpleNamespace

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, combinations, composed, options

from nascli.core.choice import Edge
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.supernet import Priced, unpriced
from nascli.gradient.method import Method
from nascli.gradient.stage_setup import relaxation_of
from nascli.gradient.stages import Stage
from nascli.supernet.paths import path
from nascli.supernet.shared import Shared

EDGES = (
    Edge("normal/2<-0", "normal", ("none", "skip_connect", "sep_conv_3x3"), 0, 2),
    Edge("normal/2<-1", "normal", ("none", "skip_connect"), 1, 2),
)


def derive(strengths):
    numbers = strengths.argmax(1).tolist()
    choices = {e.name: e.options[n] for e, n in zip(EDGES, numbers, strict=True)}
    return Genotype.of("toy", choices)


SUPERNET = SimpleNamespace(
    choices=EDGES, derive=derive, path=lambda g: path(EDGES, g.choices, torch.zeros(()))
)


def named(name):
    config = composed("strategy=darts", f"relaxation@strategy.relaxation={name}")
    return build.component(config.strategy, "relaxation")


@pytest.fixture(params=options("relaxation"))
def make(request):
    relax = named(request.param)
    return lambda seed=0: relax(SUPERNET, seed)


@cache
def shared(space):
    """A problem of the space, and its supernet."""
    problem = build.stated(composed("strategy=random", f"space={space}", *TINY, *TINY_SPACE[space]))
    return problem, Shared(problem).supernet


@pytest.mark.parametrize("name", options("relaxation"))
@pytest.mark.parametrize("space", combinations()["relaxation=softmax"])
def test_architecture_weights_learn_on_every_space_that_docs_name(name, space):
    (problem, supernet), stage = shared(space), Stage(0, 0, 1, 0, (0, 1))
    if combinations()[f"relaxation={name}"][space] == "refused":
        with pytest.raises(Fault, match=f"'{space}' are sizes, which do not mix"):
            relaxation_of(problem, Method(named(name)), supernet, stage)
        return
    relaxation = relaxation_of(problem, Method(named(name)), supernet, stage)
    (mixture, *_) = relaxation.mixtures(0.5, "architecture")
    loss = supernet(torch.randn(4, *problem.task.input_shape), mixture).square().sum()
    (gradient,) = torch.autograd.grad(loss, relaxation.parameters())
    assert gradient.isfinite().all() and gradient.abs().sum() > 0


def test_what_is_expected_is_of_an_edges_own_options(make):
    mixture = make().expected()
    assert mixture.weights.shape == (2, 3)
    assert not mixture.weights.requires_grad
    assert mixture.weights[1, 2] == 0
    assert (mixture.weights >= 0).all() and (mixture.weights <= 1).all()
    assert (mixture.weights.sum(1) > 0.99).all()


def test_what_is_priced_weighs_less_until_it_is_asked_for_its_worth(make):
    relaxation, plain = make(), make().expected().weights
    assert isinstance(relaxation, Priced)
    before = relaxation.logits().detach()
    relaxation.prices = prices = torch.tensor([[0.0, 0.5, 2.0], [0.0, 3.0, 0.0]])
    assert torch.equal(relaxation.logits().detach(), before - prices)
    priced = relaxation.expected().weights
    for row, number in ((0, 1), (0, 2), (1, 1)):
        share, was = (w[row, number] / w[row, 0] for w in (priced, plain))
        assert 0.9 < share / (was * (-prices[row, number]).exp()) < 2.0
        assert share < 0.8 * was
    assert priced[1, 2] == 0
    assert torch.equal(unpriced(relaxation).weights, plain)
    assert torch.equal(relaxation.expected().weights, priced)
    again = make(1)
    again.load_state_dict(relaxation.state_dict())
    assert torch.equal(again.expected().weights, priced)
    drawn = [other.mixtures(0.5, "weights")[0].weights for other in (relaxation, again)]
    assert torch.equal(*drawn)
    relaxation.prices = torch.tensor([[0.0, 50.0, 50.0], [0.0, 50.0, 0.0]])
    often = [relaxation.mixtures(0.9, "weights")[0].weights.detach() for _ in range(20)]
    others = [(w[0, 1] + w[0, 2] + w[1, 1]).abs() for w in often]
    assert max(others) < 0.3 and sum(others) < 1  # what is too expensive is hardly drawn


def test_mixtures_weigh_what_is_active_and_nothing_else(make):
    relaxation = make()
    for progress in (0.0, 0.5, 1.0):
        for level in ("weights", "architecture"):
            for mixture in relaxation.mixtures(progress, level):
                active = mixture.active or ((0, 1, 2), (0, 1))
                there = torch.zeros(2, 3, dtype=torch.bool)
                there[:, 0] = True  # `none` is nothing, whatever it weighs
                for row, numbers in zip(there, active, strict=True):
                    row[list(numbers)] = True
                assert not mixture.weights.detach()[~there].any()
                assert (mixture.weights.detach() >= 0).all()


def test_mixtures_reach_the_parameters(make):
    relaxation = make()
    for progress in (0.0, 0.5, 1.0):
        mixtures = relaxation.mixtures(progress, "architecture")
        total = sum((m.weights * torch.tensor([2.0, -1.0, 0.5])).sum() for m in mixtures)
        gradients = torch.autograd.grad(total, relaxation.parameters())
        assert any(g.abs().sum() > 0 for g in gradients)
        assert all(g.isfinite().all() for g in gradients)


def test_what_is_not_kept_takes_no_part(make):
    relaxation = make()
    relaxation.keep([[2, 1], [1]])
    assert relaxation.logits()[0, 0] == relaxation.logits()[1, 0] == -torch.inf
    expected = relaxation.expected()
    assert expected.weights[0, 0] == expected.weights[1, 0] == 0
    for level in ("weights", "architecture"):
        if relaxation.__class__.__name__ == "BinaryGates" and level == "architecture":
            relaxation.keep([[2, 1], [0, 1]])  # it draws two
        (mixture,) = relaxation.mixtures(0.5, level)
        assert 0 not in mixture.active[0]
        assert mixture.weights[0, 0] == 0


def test_the_seed_and_the_state_decide(make):
    def drawn(relaxation):
        mixtures = [relaxation.mixtures(0.3)[0].weights.detach() for _ in range(8)]
        return torch.stack([relaxation.expected().weights, *mixtures])

    first, again, other = drawn(make()), drawn(make()), make(seed=1)
    assert torch.equal(first, again)
    assert not torch.equal(first, drawn(other))
    source = make()
    source.mixtures(0.0)
    source.keep([[0, 1], [0, 1]])
    other.load_state_dict(source.state_dict())
    assert torch.equal(drawn(other), drawn(source))


def test_moving_keeps_the_parameters(make):
    relaxation = make()
    parameters = list(relaxation.parameters())
    assert relaxation.to("cpu") is relaxation
    assert all(a is b for a, b in zip(relaxation.parameters(), parameters, strict=True))
