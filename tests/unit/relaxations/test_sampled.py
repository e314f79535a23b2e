"""Relaxations that sample, against the distributions that they are to sample from."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from fixtures import composed
from hydra.utils import instantiate

from nascli.core.choice import Edge
from nascli.core.fault import Fault
from nascli.relaxations.binary_gates import BinaryGates
from nascli.relaxations.dirichlet import Dirichlet
from nascli.relaxations.gumbel import Gumbel
from nascli.relaxations.sigmoid import Sigmoid

OPTIONS = ("a", "b", "c")
MANY = SimpleNamespace(choices=[Edge(str(n), "cell", OPTIONS, 0, 1) for n in range(4000)])
LOGITS = torch.tensor([0.0, 1.0, -0.5])
CHANCES = LOGITS.softmax(0)
ERRORS = 5 * (0.25 / 4000) ** 0.5  # five standard errors of a share, at most


def with_logits(relaxation):
    (alpha,) = relaxation.parameters()
    with torch.no_grad():
        alpha.copy_(LOGITS.expand(len(MANY.choices), 3))
    return relaxation


def test_hard_gumbel_samples_one_option_with_its_chance():
    gumbel = with_logits(Gumbel(MANY, seed=0, hard=True))
    (mixture,) = gumbel.mixtures(0.5)
    assert torch.equal(mixture.weights.detach().sum(1), torch.ones(4000))
    assert torch.allclose(mixture.weights.detach().mean(0), CHANCES, atol=ERRORS)
    chosen = mixture.weights.detach().argmax(1).tolist()
    assert mixture.active == tuple((number,) for number in chosen)
    assert torch.allclose(gumbel.expected().weights, CHANCES.expand(4000, 3))


def test_the_straight_through_gradient_is_that_of_the_soft_sample():
    factors = torch.rand(4000, 3)
    found = []
    for hard in (True, False):
        gumbel = with_logits(Gumbel(MANY, seed=0, hard=hard))
        (mixture,) = gumbel.mixtures(0.7)
        found += torch.autograd.grad((factors * mixture.weights).sum(), gumbel.parameters())
    assert torch.allclose(*found, atol=1e-6)
    assert found[0].abs().max() > 0.01


def test_a_cold_gumbel_softmax_is_one_path_and_a_hot_one_all():
    for temperature, least, most in ((1e-4, 0.999, 1.0), (1e4, 0.33, 0.334)):
        gumbel = with_logits(Gumbel(MANY, seed=0, start=temperature, end=temperature))
        strongest = gumbel.mixtures(0.0)[0].weights.detach().max(1).values
        # two of three perturbed logits closer than 1e-3 are rare: 1 edge in 1,000
        assert float(strongest.quantile(0.01)) >= least
        assert float(strongest.max()) <= most + 1e-3


def test_the_temperature_falls_geometrically():
    gumbel = Gumbel(MANY, seed=0, start=10.0, end=0.1)
    found = [gumbel.temperature(progress) for progress in (0.0, 0.5, 1.0)]
    assert found == pytest.approx([10.0, 1.0, 0.1])


def test_half_of_a_gdas_search_is_above_a_temperature_of_five():
    """Dong and Yang: from 10 to 0.1 by equal steps, so that most of a search samples widely."""
    make = instantiate(composed("strategy=gdas").strategy.relaxation)
    gumbel = make(MANY, seed=0)
    steps = [gumbel.temperature(epoch / 250) for epoch in range(251)]
    assert [steps[0], steps[125], steps[250]] == pytest.approx([10.0, 5.05, 0.1])
    drops = {round(a - b, 9) for a, b in pairwise(steps)}
    assert drops == {round(9.9 / 250, 9)}


def test_another_course_is_a_fault():
    with pytest.raises(Fault, match="strategy.relaxation.course 'steep' is not known"):
        Gumbel(MANY, seed=0, course="steep")


def test_a_temperature_of_zero_is_a_fault():
    with pytest.raises(Fault, match=r"strategy.relaxation.end is 0; a temperature is above 0"):
        Gumbel(MANY, seed=0, end=0)


def test_dirichlet_mixtures_have_the_mean_and_variance_of_their_distribution():
    dirichlet = with_logits(Dirichlet(MANY, seed=0))
    # elu(x) + 1 is x + 1 from 0 on and exp(x) below
    concentrations = torch.tensor([1.0, 2.0, torch.tensor(-0.5).exp()])
    total = concentrations.sum()
    mean = concentrations / total
    variance = mean * (1 - mean) / (total + 1)
    assert torch.allclose(dirichlet.expected().weights, mean.expand(4000, 3))
    drawn = dirichlet.mixtures(0.0)[0].weights.detach()
    assert torch.allclose(drawn.sum(1), torch.ones(4000), atol=1e-5)
    assert torch.allclose(drawn.mean(0), mean, atol=5 * float((variance / 4000).max().sqrt()))
    assert torch.allclose(drawn.var(0), variance, rtol=0.15)


def test_dirichlet_gradients_are_those_of_the_mean():
    dirichlet = with_logits(Dirichlet(MANY, seed=0))
    (alpha,) = dirichlet.parameters()
    factors = torch.tensor([1.0, -2.0, 0.5])
    (found,) = torch.autograd.grad((dirichlet.mixtures(0.0)[0].weights @ factors).sum(), [alpha])
    single = LOGITS.clone().requires_grad_()
    positive = torch.nn.functional.elu(single) + 1
    (expected,) = torch.autograd.grad(positive / positive.sum() @ factors, [single])
    spread = found.std(0) / 4000**0.5
    assert ((found.mean(0) - expected).abs() < 5 * spread).all()


def test_dirichlet_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    Dirichlet(MANY, seed=0).mixtures(0.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_dirichlet_draws_edges_of_different_width_each_from_its_own():
    edges = [Edge("a", "cell", OPTIONS, 0, 1), Edge("b", "cell", OPTIONS[:2], 0, 2)]
    weights = Dirichlet(SimpleNamespace(choices=edges), seed=0).mixtures(0.0)[0].weights.detach()
    assert weights[1, 2] == 0
    assert torch.allclose(weights.sum(1), torch.ones(2))
    assert (weights[0] > 0).all() and (weights[1, :2] > 0).all()


def test_a_weight_step_of_binary_gates_is_one_path_drawn_by_chance():
    (mixture,) = with_logits(BinaryGates(MANY, seed=0)).mixtures(0.0, "weights")
    weights = mixture.weights.detach()
    assert torch.equal(weights.sum(1), torch.ones(4000))
    assert torch.allclose(weights.mean(0), CHANCES, atol=ERRORS)
    assert all(len(numbers) == 1 for numbers in mixture.active)


def test_binary_gates_expect_the_chances_of_every_option():
    expected = with_logits(BinaryGates(MANY, seed=0)).expected()
    assert torch.allclose(expected.weights, CHANCES.expand(4000, 3))
    assert not expected.weights.requires_grad


def test_an_architecture_step_of_binary_gates_computes_two_and_opens_one():
    gates = with_logits(BinaryGates(MANY, seed=0))
    (mixture,) = gates.mixtures(0.0, "architecture")
    weights = mixture.weights.detach()
    assert set(weights.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(weights.sum(1), torch.ones(4000))
    assert all(len(set(numbers)) == 2 for numbers in mixture.active)
    factors = torch.rand(4000, 3)
    (found,) = torch.autograd.grad((factors * mixture.weights).sum(), gates.parameters())
    for row in range(20):  # eq. 4 over the two that were drawn
        i, j = mixture.active[row]
        p, q = LOGITS[[i, j]].softmax(0)
        slope = p * q * (factors[row, i] - factors[row, j])
        expected = torch.zeros(3)
        expected[i], expected[j] = slope, -slope
        assert torch.allclose(found[row], expected, atol=1e-6)


def test_gates_open_by_chance_among_the_two_that_were_drawn():
    """Cai et al., 3.2.2: two by their chances without replacement, then one by theirs."""
    (mixture,) = with_logits(BinaryGates(MANY, seed=0)).mixtures(0.0, "architecture")
    opened = mixture.weights.detach().argmax(1)
    p = CHANCES
    for one, other in ((0, 1), (0, 2), (1, 2)):
        both = torch.tensor([set(numbers) == {one, other} for numbers in mixture.active])
        drawn = float(p[one] * p[other] * (1 / (1 - p[one]) + 1 / (1 - p[other])))
        assert abs(float(both.float().mean()) - drawn) < ERRORS
        share, count = float(p[one] / (p[one] + p[other])), int(both.sum())
        found = float((opened[both] == one).float().mean())
        assert abs(found - share) < 5 * (share * (1 - share) / count) ** 0.5


def test_sigmoids_do_not_compete():
    sigmoid = with_logits(Sigmoid(MANY, seed=0))
    expected = 1 / (1 + (-LOGITS).exp())
    assert torch.allclose(sigmoid.mixtures(0.0)[0].weights[0], expected)
    (alpha,) = sigmoid.parameters()
    (found,) = torch.autograd.grad(sigmoid.mixtures(0.0)[0].weights[:, 0].sum(), [alpha])
    assert (found[:, 0] > 0).all() and not found[:, 1:].any()


@pytest.mark.parametrize("prices", [None, torch.tensor([0.5, 0.0, -0.5])])
def test_options_that_an_architecture_step_did_not_draw_keep_their_chances(prices):
    gates = with_logits(BinaryGates(MANY, seed=0))
    gates.prices = prices
    (alpha,) = gates.parameters()
    adam = torch.optim.Adam([alpha], lr=0.1, betas=(0.0, 0.999))
    for _ in range(3):
        before = gates.logits().detach().softmax(1)
        (mixture,) = gates.mixtures(0.0, "architecture")
        alpha.grad = torch.autograd.grad((torch.rand(4000, 3) * mixture.weights).sum(), [alpha])[0]
        adam.step()
        gates.rescale()
        after = gates.logits().detach().softmax(1)
        drawn = torch.zeros(4000, 3).scatter(1, torch.tensor(mixture.active), 1.0).bool()
        assert torch.allclose(after[~drawn], before[~drawn], atol=1e-6)
        assert (after[drawn] - before[drawn]).abs().mean() > 1e-2
    gates.mixtures(0.0, "weights")
    gates.rescale()  # no step of the architecture came before
    assert torch.equal(gates.logits().softmax(1), after)
