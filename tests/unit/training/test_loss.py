from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nascli.data.split import Memory, Split
from nascli.training.loss import Loss, dominant, mixing
from nascli.training.recipe import Recipe

LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 3], np.int64)  # class 2 has no image


def split() -> Split:
    images = np.arange(9 * 16, dtype=np.uint8).reshape(9, 4, 4, 1)
    return Split(Memory(images, LABELS), torch.zeros(1), torch.ones(1), flips=False)


def recipe(**values: Any) -> Recipe:
    return Recipe(3, 4, 0.1, **values)


def plainly(logits: Tensor, targets: list[list[float]], weights: list[float]) -> float:
    """- sum over classes of weight * target * log softmax, image by image."""
    total = 0.0
    for row, target in zip(logits.tolist(), targets, strict=True):
        norm = math.log(sum(map(math.exp, row)))
        total -= sum(w * t * (x - norm) for w, t, x in zip(weights, target, row, strict=True))
    return total


LOGITS = torch.tensor([[0.3, -1.0, 2.0, 0.1, 0.0], [1.5, 0.2, -0.3, 0.4, -2.0]])


def test_balanced_classes_weigh_as_their_formula_says() -> None:
    # N / (K N_k) of 9 images in 3 classes; the network knows a fifth class.
    weights = [9 / (3 * 6), 9 / (3 * 2), 0.0, 9 / (3 * 1), 0.0]
    loss = Loss(recipe(class_weights="balanced"), split(), "cpu")
    expected = plainly(LOGITS, [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0]], weights)
    found = float(loss(LOGITS, torch.tensor([3, 0])))
    assert found == pytest.approx(expected / (weights[3] + weights[0]))
    even = Loss(recipe(), split(), "cpu")
    assert float(even(LOGITS, torch.tensor([3, 0]))) == pytest.approx(
        plainly(LOGITS, [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0]], [1.0] * 5) / 2
    )


def test_mixed_targets_and_an_auxiliary_head() -> None:
    targets = torch.tensor([[0.25, 0.0, 0.0, 0.75], [0.0, 1.0, 0.0, 0.0]])  # of 4 seen classes
    loss = Loss(recipe(auxiliary_weight=0.4, label_smoothing=0.1), split(), "cpu")
    smooth = [[0.9 * t + 0.1 / 5 for t in [*row, 0.0]] for row in targets.tolist()]
    main, second = plainly(LOGITS, smooth, [1.0] * 5), plainly(-LOGITS, smooth, [1.0] * 5)
    assert float(loss((LOGITS, -LOGITS), targets)) == pytest.approx((main + 0.4 * second) / 2)
    assert dominant(targets).tolist() == [3, 1]
    assert dominant(torch.tensor([2, 0])).tolist() == [2, 0]


def batch() -> tuple[Tensor, Tensor]:
    images = torch.arange(4 * 64, dtype=torch.float32).view(4, 1, 8, 8)
    return images, torch.tensor([0, 1, 3, 3])


@pytest.mark.parametrize("part", ["mixup", "cutmix"])
def test_a_target_says_how_much_of_each_image_is_there(part: str) -> None:
    images, labels = batch()
    seen = set()
    for seed in range(8):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            mixed, targets = mixing(recipe(**{part: 1.0}), split())(images, labels)
        assert targets.shape == (4, 4)
        for n, (picture, target) in enumerate(zip(mixed, targets, strict=True)):
            own, other = images[n], images[n - 1]
            if part == "mixup":
                share = float(((picture - other) / (own - other)).mean())
                assert torch.allclose(picture, share * own + (1 - share) * other, atol=1e-3)
            else:
                mine = picture == own
                assert torch.equal(picture[~mine], other[~mine])
                share = float(mine.double().mean())
            expected = torch.zeros(4)
            expected[labels[n]] += share
            expected[labels[n - 1]] += 1 - share
            assert torch.allclose(target, expected, atol=1e-3)
            seen.add(round(share, 3))
    assert len(seen) > 3


def test_with_both_each_batch_draws_one_and_without_nothing_is_drawn() -> None:
    images, labels = batch()
    mix = mixing(recipe(mixup=1, cutmix=1), split())  # whole numbers, as YAML writes them
    kinds = set()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(20):
            mixed, _ = mix(images, labels)
            pasted = ((mixed == images) | (mixed == images.roll(1, 0))).all()
            kinds.add(bool(pasted))
        before = torch.get_rng_state()
        same, targets = mixing(recipe(), split())(images, labels)
        assert same is images and targets is labels
        assert torch.equal(torch.get_rng_state(), before)
    assert kinds == {True, False}
