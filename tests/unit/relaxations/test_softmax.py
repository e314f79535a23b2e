from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from nascli.core.choice import Edge
from nascli.core.fault import Fault
from nascli.relaxations.softmax import Softmax
from nascli.relaxations.weights import Weights

EDGES = [
    Edge("1<-0", "cell", ("a", "b", "c"), 0, 1),
    Edge("2<-0", "cell", ("a", "b"), 0, 2),
    Edge("2<-1", "cell", ("a",), 1, 2),
]
SUPERNET = SimpleNamespace(choices=EDGES)


def test_mixtures_are_the_softmax_over_an_edge_s_own_options():
    softmax = Softmax(SUPERNET, seed=0, scale=1.0)
    (alpha,) = softmax.parameters()
    (mixture,) = softmax.mixtures(0.5)
    exponents = alpha.detach().exp()
    expected = torch.zeros(3, 3)
    for row, edge in enumerate(EDGES):
        own = exponents[row, : len(edge.options)]
        expected[row, : len(edge.options)] = own / own.sum()
    assert torch.allclose(mixture.weights, expected)
    assert mixture.active is None
    assert torch.equal(softmax.expected().weights, mixture.weights)


def test_the_first_weights_follow_from_the_seed_and_are_small():
    edges = [Edge(str(n), "cell", tuple("abcdefgh"), 0, 1) for n in range(500)]
    many = SimpleNamespace(choices=edges)
    (first,), (again,), (other,) = (Softmax(many, seed).parameters() for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    drawn = first.detach()  # 4,000 numbers; the bounds are 5 standard errors
    assert float(drawn.std()) == pytest.approx(1e-3, rel=0.06)
    assert float(drawn.mean()) == pytest.approx(0, abs=8e-5)


def test_gradients_reach_the_options_that_exist():
    softmax = Softmax(SUPERNET, seed=0)
    (alpha,) = softmax.parameters()
    weights = softmax.mixtures(0.0)[0].weights
    (weights * torch.tensor([[1.0, 2, 3], [1, 2, 9], [1, 9, 9]])).sum().backward()
    assert alpha.grad is not None
    # d softmax: p (v - sum p v) with p nearly uniform.
    expected = torch.tensor([[-1 / 3, 0, 1 / 3], [-1 / 4, 1 / 4, 0], [0, 0, 0]])
    assert torch.allclose(alpha.grad, expected, atol=2e-3)


def test_what_is_kept_shares_the_whole():
    softmax = Softmax(SUPERNET, seed=0, scale=1.0)
    before = softmax.expected().weights
    softmax.keep([[2, 0], [1], [0]])
    weights = softmax.expected().weights
    own = before[0, [0, 2]] / before[0, [0, 2]].sum()
    assert torch.allclose(weights[0], torch.stack([own[0], torch.zeros(()), own[1]]))
    assert weights[1].tolist() == [0, 1, 0]
    assert softmax.expected().active == ((0, 2), (1,), (0,))


def test_state_goes_there_and_back():
    source, target = Softmax(SUPERNET, seed=0), Softmax(SUPERNET, seed=1)
    (alpha,) = target.parameters()
    state = source.state_dict()
    target.load_state_dict(state)
    assert torch.equal(target.expected().weights, source.expected().weights)
    assert next(iter(target.parameters())) is alpha  # an optimizer may hold it
    with torch.no_grad():
        alpha.add_(torch.randn(3, 3))
    assert not torch.equal(state["alpha"], alpha)


def test_edges_with_too_few_options_are_a_fault():
    with pytest.raises(
        Fault, match=r"choice 2<-1 .* has 1 option\(s\); .* needs 2 at every choice"
    ):
        Weights(SUPERNET, seed=0, least=2)
