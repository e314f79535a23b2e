"""Perturbations stay within their radius and do what they are named for."""

import pytest
import torch

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture
from nascli.gradient.perturbations.adversarial import Adversarial
from nascli.gradient.perturbations.radius import among, radius_at
from nascli.gradient.perturbations.random import Random

PROBLEM = Problem(space=None, task=None, recipe=None, seed=3)
WEIGHTS = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
MIXTURE = Mixture(WEIGHTS, ((0, 1, 2), (0, 1)))


def rising(mixture, *, evaluating=False):
    """A loss that grows with every first option, and falls with the last."""
    return (mixture.weights * torch.tensor([1.0, 0.0, -1.0])).sum()


def test_the_radius_grows_from_its_first_value():
    assert [radius_at(0.3, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.03, 0.165, 0.3])
    assert radius_at(0.01, 0.0) == 0.01


def test_among_keeps_what_a_mixture_is():
    moved = among(MIXTURE, torch.tensor([[-1.0, 1.0, 3.0], [2.0, 2.0, 9.0]]), (WEIGHTS > 0).float())
    assert torch.allclose(moved.weights, torch.tensor([[0, 0.25, 0.75], [0.5, 0.5, 0.0]]))
    assert moved.active == MIXTURE.active
    gone = among(MIXTURE, -torch.ones(2, 3), (WEIGHTS > 0).float())
    assert torch.equal(gone.weights, WEIGHTS)


@pytest.mark.parametrize("make", [Random, Adversarial])
def test_moved_mixtures_are_mixtures_near_by(make):
    perturb = make(PROBLEM, radius=0.1)
    moved = [perturb(MIXTURE, rising, 1.0).weights for _ in range(50)]
    for weights in moved:
        assert not weights.requires_grad
        assert torch.allclose(weights.sum(1), torch.ones(2))
        assert weights[1, 2] == 0
        # 0.1 before rows are brought back to a sum of 1, which changes it by at most 0.3 / 0.7
        assert (weights - WEIGHTS).abs().max() <= 0.1 + 0.3 / 0.7
    assert (moved[0] - WEIGHTS).abs().max() > 0.01


def test_random_noise_is_uniform_and_differs_each_time():
    perturb = Random(PROBLEM, radius=0.2)
    wide = Mixture(torch.full((1, 2), 0.5))
    moved = torch.cat([perturb(wide, rising, 1.0).weights[:, 0] for _ in range(2000)])
    # a / (a + b) of two uniform draws from 0.3 to 0.7
    assert float(moved.mean()) == pytest.approx(0.5, abs=5 * float(moved.std()) / 2000**0.5)
    assert 0.3 <= float(moved.min()) < 0.33 and 0.67 < float(moved.max()) <= 0.7


def test_the_adversary_finds_where_the_loss_is_larger():
    worst = Adversarial(PROBLEM, radius=0.1)(MIXTURE, rising, 1.0)
    assert float(rising(worst)) > float(rising(MIXTURE)) + 0.1
    assert worst.weights[0, 0] > WEIGHTS[0, 0] and worst.weights[0, 2] < WEIGHTS[0, 2]


def test_the_adversary_ascends_in_evaluation_mode():
    modes = []

    def loss(mixture, *, evaluating=False):
        modes.append(evaluating)
        return rising(mixture)

    Adversarial(PROBLEM, steps=3, rule=2)(MIXTURE, loss, 0.5)
    assert modes == [True] * 5  # three steps, then before and after
    modes.clear()
    Adversarial(PROBLEM, steps=3)(MIXTURE, loss, 0.5)  # as recorded by earlier versions
    assert modes == [False] * 3


def test_a_mixture_that_is_the_worst_already_stays():
    def peak(mixture, *, evaluating=False):
        return -(mixture.weights - WEIGHTS).square().sum()

    assert torch.equal(Adversarial(PROBLEM, rule=2)(MIXTURE, peak, 1.0).weights, WEIGHTS)
    assert not torch.equal(Adversarial(PROBLEM)(MIXTURE, peak, 1.0).weights, WEIGHTS)
    worst = Adversarial(PROBLEM, radius=0.1, rule=2)(MIXTURE, rising, 1.0)
    assert float(rising(worst)) > float(rising(MIXTURE)) + 0.1


def test_edges_keep_their_factor_and_sums_other_than_one():
    mixture = Mixture(torch.tensor([[0.9, 0.9, 0.2]]), edges=torch.tensor([0.5]))
    moved = Random(PROBLEM)(mixture, rising, 0.0)
    assert moved.edges is mixture.edges
    assert float(moved.weights.sum()) == pytest.approx(2.0)


@pytest.mark.parametrize("make", [Random, Adversarial])
def test_the_seed_and_the_state_decide(make):
    first, again = make(PROBLEM), make(PROBLEM)
    first(MIXTURE, rising, 0.5)
    again.load_state_dict(first.state_dict())
    expected = first(MIXTURE, rising, 0.5).weights
    assert torch.equal(again(MIXTURE, rising, 0.5).weights, expected)
    assert not torch.equal(make(PROBLEM)(MIXTURE, rising, 0.5).weights, expected)


def test_values_out_of_range_are_faults():
    for make in (Random, Adversarial):
        with pytest.raises(Fault, match=r"strategy.perturbation.radius is 1.5; it must be above 0"):
            make(PROBLEM, radius=1.5)
    with pytest.raises(Fault, match=r"strategy.perturbation.steps is 0; it must be at least 1"):
        Adversarial(PROBLEM, steps=0)
    with pytest.raises(Fault, match=r"strategy.perturbation.rule is 0; it must be 1 or 2"):
        Adversarial(PROBLEM, rule=0)


def test_a_step_of_the_ascent_is_two_radii_over_the_number_of_steps():
    """As published, lr = 2 epsilon / steps: near a peak it goes to and fro by no more than that."""
    wide = Mixture(torch.full((1, 2), 0.5))

    def peak(mixture, *, evaluating=False):
        return -(mixture.weights[0, 0] - 0.52).square()

    found = [Adversarial(PROBLEM, radius=0.2, steps=40)(wide, peak, 1.0) for _ in range(5)]
    for mixture in found:  # steps of 0.01 in each weight, so 0.02 between them
        assert abs(float(mixture.weights[0, 0]) - 0.52) < 0.011
