"""Penalties against their formulas, written out."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.choice import Edge
from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture
from nascli.gradient.penalties.beta_decay import BetaDecay
from nascli.gradient.penalties.expected_cost import ExpectedCost
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


class Clock:
    """Takes a millisecond for every kind of layer that it has not yet seen."""

    name = "clock"

    def __init__(self):
        self.seen = []

    def latencies(self, cases):
        found = []
        for _, shape in cases:
            self.seen.append(shape)
            found.append(Latency(float(len(self.seen)), 0.0, 1e9, 1, {}))
        return found


def problem(space="nasbench201", device=None, **settings):
    make = instantiate(composed(f"space={space}").space, _partial_=True)
    task = ToyTask(input_shape=(3, 8, 8))
    return Problem(space=make(task, **settings), task=task, recipe=None, device=device)


def test_macs_of_an_option_are_those_of_its_convolutions_in_all_cells():
    made = problem(channels=4, cells_per_stage=2)
    supernet = made.space.supernet()
    costs = ExpectedCost(made, metric="macs").costs()
    options = supernet.choices[0].options
    # two cells a stage; 4, 8 and 16 channels at 8x8, 4x4 and 2x2 pixels
    points = 2 * sum(c * c * size * size for c, size in ((4, 8), (8, 4), (16, 2)))
    expected = [{"nor_conv_1x1": points, "nor_conv_3x3": 9 * points}.get(o, 0) for o in options]
    assert costs.tolist() == [expected] * 6


def test_the_latency_of_an_option_is_the_sum_over_its_layers():
    clock = Clock()
    made = problem("cell", device=clock, channels=2, cells=3, nodes=1)
    supernet = made.space.supernet()
    costs = ExpectedCost(made, metric="auto").costs()
    layers = {layer for e in supernet.choices for o in e.options for layer in supernet.layers(e, o)}
    assert len(clock.seen) == len(made.space.layers())  # each timed once, with all others
    by_cell = [e.group for e in supernet.choices]
    # one normal cell of one layer an option; two reduction cells, of other shapes, of two
    assert by_cell == ["normal", "normal", "reduction", "reduction"]
    assert torch.equal(costs[0, 1:], costs[1, 1:])  # both inputs have one shape
    table = made.latencies.rows  # what is written down
    assert float(costs[0].sum() + costs[2].sum()) == sum(table[n].median_ms for n in layers)
    again = ExpectedCost(replace(made, seed=1), metric="auto").costs()
    assert torch.equal(again, costs)
    assert len(clock.seen) == len(made.space.layers())
    assert not costs[:, 0].any()  # none


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("sum", lambda loss, ratio: loss + 0.6 * ratio),
        ("product", lambda loss, ratio: loss * math.log(1 + (math.e - 1) * ratio) ** 0.6),
    ],
)
def test_the_expected_cost_is_that_of_the_mixture_beside_equal_weights(form, expected):
    made = problem(channels=4, cells_per_stage=1)
    supernet = made.space.supernet()
    relaxation = Softmax(supernet, seed=0, scale=1.0)
    penalty = ExpectedCost(made, weight=0.6, metric="params", form=form)
    costs = penalty.costs()
    assert costs[0].max() > 0
    equal = float(costs.sum()) / 5
    (mixture,) = relaxation.mixtures(0.0)
    ratio = float((mixture.weights.detach() * costs).sum()) / equal
    assert abs(ratio - 1) > 0.05
    found = penalty(LOSS, mixture, relaxation, 0.0).detach()
    assert float(found) == pytest.approx(expected(2.0, ratio), rel=1e-5)
    alike = Mixture(torch.full((6, 5), 0.2))
    found = penalty(LOSS, alike, relaxation, 0.0)
    assert float(found) == pytest.approx(expected(2.0, 1.0), rel=1e-5)


def test_a_supernet_that_does_not_say_its_layers_is_a_fault():
    made = problem(channels=4, cells_per_stage=1)
    choices = made.space.supernet().choices
    made.space.supernet = lambda: SimpleNamespace(choices=choices)
    with pytest.raises(Fault, match="'nasbench201' does not say which layers its options have"):
        ExpectedCost(made, metric="macs").costs()


def test_the_gradient_leads_away_from_what_is_expensive():
    made = problem(channels=4, cells_per_stage=1)
    supernet = made.space.supernet()
    relaxation = Softmax(supernet, seed=0)
    (mixture,) = relaxation.mixtures(0.0)
    penalty = ExpectedCost(made, metric="macs")
    (alpha,) = relaxation.parameters()
    (gradient,) = torch.autograd.grad(penalty(LOSS, mixture, relaxation, 0.0), [alpha])
    largest = supernet.choices[0].options.index("nor_conv_3x3")
    assert (gradient.argmax(1) == largest).all()
    assert (gradient[:, 0] < 0).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"metric": "latency"}, "expected_cost.metric 'latency' is not known; .*'latency_ms'?"),
        ({"form": "add"}, "expected_cost.form 'add' is not known; allowed: product, sum"),
        ({"metric": "latency_ms"}, "metric is latency_ms, but the search measures on no device"),
        ({"weight": -1}, "strategy.penalties.expected_cost.weight is -1"),
    ],
)
def test_values_that_make_no_sense_are_faults(settings, says):
    with pytest.raises(Fault, match=says):
        ExpectedCost(Problem(space=None, task=None, recipe=None), **settings)
