"""The expected cost against sums over layers written out, and what penalises it."""

import math
import random
from dataclasses import replace

import pytest
import torch
from fixtures import ToySpace, ToyTask, composed
from hydra.utils import instantiate

from nascli.core.choice import NONE
from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import sample
from nascli.core.supernet import Mixture
from nascli.costs.plans import PlanCounter
from nascli.gradient.additive import AdditiveCost
from nascli.gradient.edge_normalisation import EdgeNormalised
from nascli.gradient.penalties.expected_cost import ExpectedCost
from nascli.relaxations.softmax import Softmax


class Clock:
    """Takes a millisecond more for every further kind of layer."""

    name = "clock"

    def __init__(self, first=1.0):
        self.seen, self.first = [], first

    def latencies(self, cases):
        found = []
        for _, shape in cases:
            self.seen.append(shape)
            found.append(Latency(self.first * len(self.seen), 0.0, 1e9, 1, {}))
        return found


def problem(space="nasbench201", device=None, **settings):
    make = instantiate(composed(f"space={space}").space, _partial_=True)
    task = ToyTask(input_shape=(3, 8, 8))
    return Problem(space=make(task, **settings), task=task, recipe=None, device=device)


def small(device=None):
    return problem(device=device, channels=4, cells_per_stage=1)


def one_hot(made, genotype):
    """The weights of a mixture that takes what the genotype has; an edge left out has zeros."""
    taken, choices = made.space.taken(genotype), made.space.plan().choices
    return torch.tensor(
        [[float(o == taken.get(c.name)) for o in c.options] for c in choices], dtype=torch.float64
    )


@pytest.mark.parametrize("metric", ["params", "macs", "flops"])
def test_where_one_network_is_certain_its_own_cost_is_expected(metric):
    made = problem(channels=4, cells_per_stage=2)
    cost, counter = AdditiveCost(made, metric, "me"), PlanCounter(made.space)
    rng = random.Random(0)
    for _ in range(5):
        genotype = sample(made.space, rng)
        found = float(cost.expected(one_hot(made, genotype)))
        assert found == pytest.approx(getattr(counter(genotype), metric), rel=1e-6)


def test_macs_of_an_option_are_those_of_its_convolutions_in_all_cells():
    made = problem(channels=4, cells_per_stage=2)
    options = made.space.plan().choices[0].options
    # two cells a stage; 4, 8 and 16 channels at 8x8, 4x4 and 2x2 pixels
    points = 2 * sum(c * c * size * size for c, size in ((4, 8), (8, 4), (16, 2)))
    expected = [{"nor_conv_1x1": points, "nor_conv_3x3": 9 * points}.get(o, 0) for o in options]
    assert AdditiveCost(made, "macs", "me").options.tolist() == [expected] * 6


def test_where_a_node_keeps_two_of_its_inputs_each_counts_by_its_chance():
    made = problem("cell", channels=4, cells=3, nodes=3)
    cost, plan = AdditiveCost(made, "macs", "me"), made.space.plan()
    inputs = {("normal", 2): 2, ("normal", 3): 3, ("normal", 4): 4}
    share = {(g, t): 2 / n for (_, t), n in inputs.items() for g in ("normal", "reduction")}
    weights = torch.rand(len(plan.choices), len(plan.choices[0].options)).double().softmax(1)
    each = (weights * cost.options).sum(1).tolist()
    by_hand = [v * share[c.group, c.target] for v, c in zip(each, plan.choices, strict=True)]
    assert float(cost.expected(weights)) == pytest.approx(cost.fixed + math.fsum(by_hand))
    # edges with weights of their own: two are kept, the heavier ones more often
    edges = torch.rand(len(plan.choices)).double()
    by_hand = [2 * v * e for v, e in zip(each, edges.tolist(), strict=True)]
    assert float(cost.expected(weights, edges)) == pytest.approx(cost.fixed + math.fsum(by_hand))


def test_weights_of_edges_that_all_stay_change_no_cost():
    made = small()
    cost = AdditiveCost(made, "params", "me")
    weights = torch.rand(6, 5)
    assert torch.equal(cost.expected(weights, torch.rand(6)), cost.expected(weights))


def test_the_latency_is_the_sum_over_the_layers_each_timed_once():
    clock = Clock()
    made = problem("cell", device=clock, channels=2, cells=3, nodes=1)
    cost, plan = AdditiveCost(made, "latency_ms", "me"), made.space.plan()
    table = {layer: latency.median_ms for layer, latency in measured_by(cost, made).items()}
    assert len(clock.seen) == len(made.space.layers()) == len(table)
    assert cost.fixed == pytest.approx(sum(table[layer] for layer in plan.layers()))
    for choice, row in zip(plan.choices, cost.options.tolist(), strict=True):
        for number, option in enumerate(choice.options):
            layers = [place.options[number] for place in plan.by_choice[choice]]
            assert row[number] == sum(table[n] for n in layers if n is not None)
            assert (option == NONE) == (row[number] == 0)
    again = AdditiveCost(replace(made, seed=1), "latency_ms", "me")
    assert torch.equal(again.options, cost.options)
    assert len(clock.seen) == len(made.space.layers())


def measured_by(cost, made):
    assert cost.fixed > 0  # measures
    return made.latencies.rows  # what is written down


def test_chances_leave_none_out():
    cost = AdditiveCost(small(), "macs", "me")
    logits = torch.randn(6, 5)
    logits[1, 1:] = -torch.inf  # nothing but `none` is left
    found = cost.without_none(logits)
    assert torch.equal(found[1], torch.tensor([1.0, 0, 0, 0, 0]))
    assert not found[[0, 2, 3, 4, 5], 0].any()
    assert torch.allclose(found[0, 1:], logits[0, 1:].softmax(0))


@pytest.mark.parametrize("form", ["product", "sum"])
@pytest.mark.parametrize("metric", ["latency_ms", "macs", "params"])
def test_the_slope_by_alpha_is_that_of_the_papers_formula(metric, form):
    """FBNet eq. 2: CE a log(E)^b. ProxylessNAS eq. 7: CE + l E / E0; dE/dalpha is its eq. 6."""
    made = small(device=Clock())
    penalty = ExpectedCost(made, weight=0.7, metric=metric, form=form, factor=0.3)
    unit = 1e3 if metric == "latency_ms" else 1.0
    relaxation = Softmax(made.space.supernet(), seed=0, scale=1.0)
    (alpha,) = relaxation.parameters()
    (mixture,) = relaxation.mixtures(0.0)
    slope = torch.rand(6, 5)  # of the loss by the mixture
    loss = 1 + (slope * mixture.weights).sum()
    (found,) = torch.autograd.grad(penalty(loss, mixture, relaxation, 0.0), [alpha])

    p, c = mixture.weights.detach().double(), penalty.cost.options.double()
    entropy = float(loss.detach())
    of_loss = p * (slope - (p * slope).sum(1, keepdim=True))
    total = unit * (penalty.cost.fixed + float((p * c).sum()))
    of_total = unit * p * (c - (p * c).sum(1, keepdim=True))
    if form == "product":
        log = math.log(total)
        assert log > 1
        by_hand = 0.3 * (log**0.7 * of_loss + entropy * 0.7 * log**-0.3 * of_total / total)
    else:
        equal = unit * (penalty.cost.fixed + float(c.sum()) / 5)
        by_hand = of_loss + 0.7 * of_total / equal
    assert torch.allclose(found.double(), by_hand, rtol=1e-4, atol=1e-7)


def test_a_loss_is_never_wiped_out_by_a_cheap_network():
    """The worst of a cell is its least expensive: the product still falls with the loss."""
    made = small()
    penalty = ExpectedCost(made, metric="macs")
    relaxation = Softmax(made.space.supernet(), seed=0)
    nothing = Mixture(torch.eye(5)[0].expand(6, 5))  # all edges `none`
    cheap = [float(penalty(torch.tensor(v), nothing, relaxation, 0.0)) for v in (1.0, 2.0)]
    assert cheap[1] == pytest.approx(2 * cheap[0]) and cheap[0] > 0.1


def test_the_product_needs_a_cost_above_one_in_its_unit():
    made = small(device=Clock(first=1e-6))  # nanoseconds
    penalty = ExpectedCost(made, metric="latency_ms")
    relaxation = Softmax(made.space.supernet(), seed=0)
    (mixture,) = relaxation.mixtures(0.0)
    with pytest.raises(Fault, match=r"costs 0\.\d+ microseconds, .* needs more than 1: take form"):
        penalty(torch.tensor(1.0), mixture, relaxation, 0.0)
    as_sum = ExpectedCost(made, metric="latency_ms", form="sum")
    assert float(as_sum(torch.tensor(1.0), mixture, relaxation, 0.0).detach()) > 1


def test_expected_cost_looks_at_the_weights_of_edges():
    made = problem("cell", channels=4, cells=3, nodes=2)
    supernet = made.space.supernet()
    relaxation = EdgeNormalised(Softmax(supernet, seed=0, scale=1.0), supernet, seed=1, scale=1.0)
    (mixture,) = relaxation.mixtures(0.0)
    penalty = ExpectedCost(made, metric="macs")
    found = penalty(torch.tensor(1.0), mixture, relaxation, 0.0)
    expected = penalty.cost.expected(mixture.weights, mixture.edges)
    assert float(found.detach()) == pytest.approx(0.2 * math.log(float(expected.detach())) ** 0.6)
    assert (
        abs(float(expected.detach()) / float(penalty.cost.expected(mixture.weights).detach()) - 1)
        > 0.01
    )


def test_a_space_without_an_open_plan_is_a_fault():
    made = Problem(space=ToySpace(), task=ToyTask(), recipe=None)
    with pytest.raises(Fault, match="'toy' has no open plan, so its options have no known macs"):
        ExpectedCost(made, metric="macs")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"metric": "latency"}, "expected_cost.metric 'latency' is not known; .*'latency_ms'?"),
        ({"form": "add"}, "expected_cost.form 'add' is not known; allowed: product, sum"),
        ({"metric": "latency_ms"}, "metric is latency_ms, but the search measures on no device"),
        ({"weight": -1}, "strategy.penalties.expected_cost.weight is -1"),
        ({"factor": 0}, "strategy.penalties.expected_cost.factor is 0; it is above 0"),
    ],
)
def test_values_that_make_no_sense_are_faults(settings, says):
    with pytest.raises(Fault, match=says):
        ExpectedCost(small(), **settings)
