"""One bilevel step against SGD and Adam written out."""

import math

import pytest
import torch
from fixtures import TINY, TINY_SPACE, composed
from torch.nn.functional import cross_entropy

from nascli.commands import build


@pytest.fixture
def bilevel():
    config = composed("strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"])
    config.training.learning_rate = 0.1
    config.training.gradient_clip = 0.5
    return build.search(config).strategy._bilevel()


def replayed(stream):
    """The stream's next batch, without taking it."""
    state = stream.state_dict()
    batch = stream.next()
    stream.load_state_dict(state)
    return batch


def test_architecture_step_is_adam_on_the_validation_half_and_leaves_weights_alone(bilevel):
    images, labels = replayed(bilevel._streams[1])
    (alpha,) = bilevel._alphas
    before = alpha.detach().clone()
    weights = [w.detach().clone() for w in bilevel._weights]
    bilevel._supernet.train()
    loss = cross_entropy(bilevel._supernet(images, bilevel._relaxation.mixtures(0.0)[0]), labels)
    (gradient,) = torch.autograd.grad(loss, [alpha])
    bilevel._architecture_step(0.0)
    settings = bilevel._recipe.architecture
    decayed = gradient + settings["weight_decay"] * before
    # Adam's first step: both moments, corrected for their start at zero, are the gradient's own
    step = decayed / (decayed.abs() + 1e-8)
    expected = before - settings["learning_rate"] * step
    assert torch.allclose(alpha.detach(), expected, atol=1e-6)
    assert all(w.grad is None for w in bilevel._weights)
    assert all(torch.equal(w, b) for w, b in zip(bilevel._weights, weights, strict=True))


def test_weight_step_is_clipped_sgd_on_the_training_half_and_leaves_alpha_alone(bilevel):
    images, labels = replayed(bilevel._streams[0])
    (alpha,) = bilevel._alphas
    before = [w.detach().clone() for w in bilevel._weights]
    architecture = alpha.detach().clone()
    bilevel._supernet.train()
    with torch.no_grad():
        mixture = bilevel._relaxation.mixtures(0.0)[0]
    loss = cross_entropy(bilevel._supernet(images, mixture), labels)
    gradients = torch.autograd.grad(loss, bilevel._weights)
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
    assert norm > 0.5  # else nothing is clipped here
    bilevel._weight_step(0.0)
    recipe = bilevel._recipe
    for weight, start, gradient in zip(bilevel._weights, before, gradients, strict=True):
        clipped = gradient * 0.5 / (norm + 1e-6)
        expected = start - 0.1 * (clipped + recipe.weight_decay * start)
        assert torch.allclose(weight.detach(), expected, atol=1e-5)
    assert torch.equal(alpha.detach(), architecture)
    assert alpha.grad is None


def test_the_halves_share_no_image_and_batches_change_every_step(bilevel):
    seen = [set(), set()]
    for stream, rows in zip(bilevel._streams, seen, strict=True):
        for _ in range(3 * bilevel._steps):
            rows.update(image.numpy().tobytes() for image in stream.next()[0])
        assert len(rows) > 2 * bilevel._recipe.batch_size
    assert not seen[0] & seen[1]


def test_the_best_epoch_is_the_answer_not_the_last(bilevel):
    from nascli.core.space import at
    from nascli.core.trial import History, Trial

    config = composed("strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"])
    made = build.search(config)
    space = made.problem.space
    trials = [Trial(n, at(space, n), 1.0, {"accuracy": a}) for n, a in enumerate([10, 30, 20])]
    assert made.strategy.recommend(History(trials)) == at(space, 1)


def test_each_epoch_is_one_proposal_until_the_recipe_is_over():
    config = composed("strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"])
    config.training.epochs = 2
    strategy = build.search(config).strategy
    assert [len(strategy.ask(5)) for _ in range(4)] == [1, 1, 0, 0]
