"""Penalties against their formulas, written out."""

import math
from types import SimpleNamespace

import pytest
import torch

from nascli.core.choice import Edge
from nascli.core.fault import Fault
from nascli.gradient.penalties.beta_decay import BetaDecay
from nascli.gradient.penalties.zero_one import ZeroOne
from nascli.relaxations.sigmoid import Sigmoid
from nascli.relaxations.softmax import Softmax

SUPERNET = SimpleNamespace(
    choices=[Edge("a", "cell", ("x", "y", "z"), 0, 1), Edge("b", "cell", ("x", "y"), 0, 2)]
)
LOSS = torch.tensor(2.0)


def test_zero_one_is_the_mean_distance_from_a_half():
    sigmoid = Sigmoid(SUPERNET, seed=0, scale=2.0)
    (mixture,) = sigmoid.mixtures(0.0)
    shares = mixture.weights.detach()
    values = [row[: len(e.options)] for row, e in zip(shares, SUPERNET.choices, strict=True)]
    squares = [(float(v) - 0.5) ** 2 for row in values for v in row]
    found = ZeroOne(None, weight=10)(LOSS, mixture, sigmoid, 0.3)
    assert float(found.detach()) == pytest.approx(2.0 - 10 * math.fsum(squares) / 5)


def test_zero_one_drives_a_sigmoid_away_from_a_half():
    sigmoid = Sigmoid(SUPERNET, seed=0, scale=1.0)
    (mixture,) = sigmoid.mixtures(0.0)
    (alpha,) = sigmoid.parameters()
    (gradient,) = torch.autograd.grad(ZeroOne(None)(LOSS, mixture, sigmoid, 0.0), [alpha])
    own = sigmoid.logits().isfinite()
    assert torch.equal(-gradient[own].sign(), alpha[own].sign())
    assert not gradient[~own].any()


def test_beta_decay_is_the_mean_log_sum_exp_growing_with_progress():
    softmax = Softmax(SUPERNET, seed=0, scale=1.0)
    (mixture,) = softmax.mixtures(0.0)
    (alpha,) = softmax.parameters()
    rows = alpha.detach().double().tolist()
    each = [math.log(sum(map(math.exp, rows[0]))), math.log(sum(map(math.exp, rows[1][:2])))]
    for progress in (0.0, 0.4, 1.0):
        found = BetaDecay(None, weight=25)(LOSS, mixture, softmax, progress)
        assert float(found.detach()) == pytest.approx(2.0 + 25 * progress * sum(each) / 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(found, [alpha])
    assert torch.allclose(gradient, 25 * softmax.expected().weights / 2)  # eq. 14


@pytest.mark.parametrize("make", [ZeroOne, BetaDecay])
@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_a_weight_that_is_none_is_a_fault(make, weight):
    with pytest.raises(Fault, match=r"strategy.penalties.\w+.weight is .*; it must be at least 0"):
        make(None, weight=weight)
