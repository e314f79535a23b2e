from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from nascli.core.choice import Choice, Edge
from nascli.core.fault import Fault
from nascli.core.supernet import Priced, unpriced
from nascli.gradient.edge_normalisation import EdgeNormalised
from nascli.relaxations.softmax import Softmax

PLACES = [("normal", 2), ("normal", 2), ("normal", 3), ("reduction", 2)]
SUPERNET = SimpleNamespace(
    choices=[Edge(str(n), group, ("a", "b"), 0, to) for n, (group, to) in enumerate(PLACES)]
)


def made(scale=1.0):
    return EdgeNormalised(Softmax(SUPERNET, 0), SUPERNET, 1, scale)


def test_edges_into_a_node_share_one():
    wrapped = made()
    _, beta = wrapped.parameters()
    powers = beta.detach().exp()
    expected = powers / torch.stack([powers[:2].sum()] * 2 + [powers[2], powers[3]])
    (mixture,) = wrapped.mixtures(0.0)
    assert torch.allclose(mixture.edges.detach(), expected)
    assert torch.equal(wrapped.expected().edges, mixture.edges.detach())
    assert torch.allclose(
        wrapped.expected().strengths, wrapped.expected().weights * expected[:, None]
    )


def test_both_kinds_of_weights_learn():
    wrapped = made()
    (mixture,) = wrapped.mixtures(0.0, "architecture")
    total = (mixture.strengths * torch.rand(4, 2)).sum()
    alpha, beta = torch.autograd.grad(total, wrapped.parameters())
    assert alpha.any()
    assert (beta[:2].abs() > 1e-3).all()
    assert (beta[2:].abs() < 1e-6).all()  # one edge alone has nothing to share


def test_state_goes_there_and_back():
    source, target = made(), EdgeNormalised(Softmax(SUPERNET, 5), SUPERNET, 6)
    source.keep([[0], [1], [0, 1], [0]])
    assert not torch.equal(source.expected().strengths, target.expected().strengths)
    target.load_state_dict(source.state_dict())
    assert torch.equal(source.expected().strengths, target.expected().strengths)
    assert torch.equal(source.logits(), target.logits())


def test_it_can_be_priced_if_what_it_wraps_can():
    wrapped = made()
    assert isinstance(wrapped, Priced) and wrapped.prices is None
    plain = wrapped.expected()
    wrapped.prices = torch.tensor([[0.0, 9.0]] * 4)
    assert (wrapped.expected().weights[:, 1] < 0.01).all()
    assert torch.equal(wrapped.expected().edges, plain.edges)
    assert torch.equal(unpriced(wrapped).strengths, plain.strengths)
    own = SimpleNamespace(expected=made().expected)
    assert not isinstance(EdgeNormalised(own, SUPERNET, 1), Priced)


def test_choices_that_are_no_edges_cannot_be_normalised():
    supernet = SimpleNamespace(choices=[Choice("block", "", ("a", "b"))])
    with pytest.raises(Fault, match="edge_normalisation is true, and not all choices .* are edges"):
        EdgeNormalised(Softmax(supernet, 0), supernet, 1)
