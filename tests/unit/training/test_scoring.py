"""Against scikit-learn, from the same predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn

from nascli.data.batches import batches
from nascli.data.synthetic import Synthetic
from nascli.training.scoring import Judgement, Score, judged

SPLIT = Synthetic(images=300, size=4, channels=1, classes=7, noise=1.0).split("valid")


class Flat(nn.Module):
    """Some classifier; of its 8 classes the data have 7."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 8)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))  # type: ignore[no-any-return]


def test_it_agrees_with_scikit_learn() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Flat()
    found = judged(network, SPLIT, batch_size=17)
    with torch.no_grad():
        logits = torch.cat([network(images) for images, _ in batches(SPLIT, 1000, "cpu")])
    truth, guess = SPLIT.labels.numpy(), logits.argmax(1).numpy()
    everything = list(range(8))
    assert np.array_equal(
        found.confusion, metrics.confusion_matrix(truth, guess, labels=everything)
    )
    assert len(set(guess)) > 2  # else much of this would say nothing
    shares = metrics.recall_score(truth, guess, average=None, labels=sorted(set(truth)))
    assert [s for s in found.per_class if s is not None] == pytest.approx(100 * shares)
    assert found.per_class[7] is None
    assert found.metrics == pytest.approx(
        {
            "balanced_accuracy": 100 * metrics.balanced_accuracy_score(truth, guess),
            "macro_f1": 100 * metrics.f1_score(truth, guess, average="macro"),
            "top5_accuracy": 100
            * metrics.top_k_accuracy_score(truth, logits, k=5, labels=everything),
        }
    )
    assert found.score.accuracy == pytest.approx(100 * metrics.accuracy_score(truth, guess))


def test_a_class_that_is_only_answered_counts_in_f1_and_not_in_the_mean_of_classes() -> None:
    confusion = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]])
    found = Judgement(Score(0.0, 75.0), confusion, 4).metrics
    assert found["balanced_accuracy"] == 75.0
    assert found["macro_f1"] == pytest.approx(100 * (2 * 3 / 7 + 0) / 2)
    assert found["top5_accuracy"] == 100.0
