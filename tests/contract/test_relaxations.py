"""What every relaxation keeps to; the YAML folder says which there are."""

import pytest
import torch
from fixtures import composed, options

from nascli.commands import build
from nascli.core.supernet import Edge

EDGES = (
    Edge("normal/2<-0", "normal", 0, 2, ("none", "skip_connect", "sep_conv_3x3")),
    Edge("normal/2<-1", "normal", 1, 2, ("none", "skip_connect")),
)


@pytest.fixture(params=options("relaxation"))
def make(request):
    config = composed("strategy=darts", f"relaxation@strategy.relaxation={request.param}")
    relax = build.component(config.strategy, "relaxation")
    return lambda seed=0: relax(EDGES, seed)


def test_strengths_are_shares_of_an_edges_own_options(make):
    strengths = make().strengths()
    assert strengths.shape == (2, 3)
    assert not strengths.requires_grad
    assert torch.allclose(strengths.sum(1), torch.ones(2))
    assert strengths[1, 2] == 0
    assert (strengths >= 0).all()


def test_mixtures_reach_the_parameters(make):
    relaxation = make()
    for progress in (0.0, 0.5, 1.0):
        total = sum(
            (m.weights[:, 0] * 2 - m.weights[:, 1]).sum() for m in relaxation.mixtures(progress)
        )
        gradients = torch.autograd.grad(total, relaxation.parameters())
        assert any(g.abs().sum() > 0 for g in gradients)


def test_the_seed_and_the_state_decide(make):
    first, again, other = make(), make(), make(seed=1)
    assert torch.equal(first.strengths(), again.strengths())
    assert not torch.equal(first.strengths(), other.strengths())
    other.load_state_dict(first.state_dict())
    assert torch.equal(other.strengths(), first.strengths())
