"""A step of the weights against SGD written out; paths share what they share."""

import math

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch.nn.functional import cross_entropy

from nascli.core.space import at
from nascli.supernet.training import WeightTraining
from nascli.training.recipe import Recipe

RECIPE = Recipe(
    epochs=4, batch_size=8, learning_rate=0.1, weight_decay=0.01, gradient_clip=0.5, schedule="step"
)


@pytest.fixture
def supernet():
    torch.manual_seed(0)
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    space = make(ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1)
    made = space.supernet().train()
    made.space = space
    return made


BATCH = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8)


def test_a_step_descends_the_mean_loss_over_the_paths(supernet):
    training = WeightTraining(supernet, RECIPE, "cpu")
    mixtures = [supernet.path(at(supernet.space, n)) for n in (7_777, 12_345)]
    before = [w.detach().clone() for w in training.weights]
    losses = [cross_entropy(supernet(BATCH[0], mixture), BATCH[1]) for mixture in mixtures]
    loss = sum(losses) / 2
    found = torch.autograd.grad(loss, training.weights, allow_unused=True)
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in found if g is not None))
    assert norm > 0.5  # else nothing is clipped here
    assert float(training.step(BATCH, mixtures)) == pytest.approx(loss.item(), rel=1e-5)
    for weight, start, gradient in zip(training.weights, before, found, strict=True):
        if gradient is None:  # on neither path: no step at all, not even decay
            assert torch.equal(weight.detach(), start)
            continue
        clipped = gradient * 0.5 / (norm + 1e-6)
        assert torch.allclose(weight.detach(), start - 0.1 * (clipped + 0.01 * start), atol=1e-5)


def test_the_rate_follows_the_cosine(supernet):
    training = WeightTraining(supernet, RECIPE, "cpu")
    half = training.set_rate(4, 2, 0, 10)
    assert half == pytest.approx(0.05)
    assert training.optimizer.param_groups[0]["lr"] == half


def test_state_goes_there_and_back(supernet):
    training = WeightTraining(supernet, RECIPE, "cpu")
    mixtures = [supernet.path(at(supernet.space, 7_777))]
    training.step(BATCH, mixtures)
    again = WeightTraining(supernet, RECIPE, "cpu")
    again.load_state_dict(training.state_dict())
    momenta = [t.optimizer.state[t.weights[0]]["momentum_buffer"] for t in (training, again)]
    assert momenta[0].any() and torch.equal(*momenta)
