"""How well a network sorts images: loss, accuracy, and what a confusion matrix tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nascli.data.batches import batches
from nascli.data.split import Split
from nascli.training.together import ALONE, Together

_TOP = 5


@dataclass(frozen=True)
class Score:
    """The mean cross-entropy over some images, and the accuracy in percent."""

    loss: float
    accuracy: float


class Tally:
    """Sums up batches on the accelerator, so that the host waits for it once, at the end."""

    def __init__(self, accelerator: str) -> None:
        self._loss, self._correct = torch.zeros(2, dtype=torch.float64, device=accelerator)
        self._count = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """A batch's mean loss and its logits (B, classes)."""
        self._loss += loss * len(labels)
        self._correct += (logits.argmax(1) == labels).sum()
        self._count += len(labels)

    def state(self) -> list[float]:
        """What `restore` takes back."""
        return [float(self._loss), float(self._correct), self._count]

    def restore(self, state: Sequence[float]) -> None:
        """Goes on from where `state` was given."""
        self._loss.fill_(state[0])
        self._correct.fill_(state[1])
        self._count = int(state[2])

    def all(self, together: Together) -> Tally:
        """Those of all processes that train together, in each of them."""
        if together.count > 1:
            device = self._loss.device
            sums = torch.tensor(self.state(), dtype=torch.float64, device=device)
            self.restore(together.add(sums).tolist())
        return self

    def score(self) -> Score:
        """Their means."""
        return Score(float(self._loss) / self._count, 100 * float(self._correct) / self._count)


def score(
    network: nn.Module,
    split: Split,
    accelerator: str = "cpu",
    batch_size: int = 500,
    together: Together = ALONE,
) -> Score:
    """Loss and accuracy of `network` (in eval mode) over all of `split`, in float32.

    Processes that are together look at a share each.
    """
    if not 1 < together.count <= len(split):
        return judged(network, split, accelerator, batch_size).score
    share = split.take(np.arange(together.rank, len(split), together.count))
    return _judged(network, share, accelerator, batch_size)[0].all(together).score()


@dataclass(frozen=True)
class Judgement:
    """What a network made of some images.

    Args:
        score: loss and accuracy.
        confusion: (classes, classes), how many images of a class (row) were taken for which.
        top5: how many images had their class among the five likeliest.
    """

    score: Score
    confusion: NDArray[np.int64]
    top5: int

    @property
    def per_class(self) -> list[float | None]:
        """The share of each class that was recognised, in percent; None for one without images."""
        seen = self.confusion.sum(1)
        right = self.confusion.diagonal()
        return [100 * float(r) / float(n) if n else None for r, n in zip(right, seen, strict=True)]

    @property
    def metrics(self) -> Mapping[str, float]:
        """In percent: `balanced_accuracy`, `macro_f1`, `top5_accuracy`.

        The first is the mean of `per_class`. The second is the mean over classes of F1 = 2 TP / (2
        TP + FP + FN), of those that occur or are answered, as scikit-learn takes it.
        """
        shares = [share for share in self.per_class if share is not None]
        right = self.confusion.diagonal()
        both = self.confusion.sum(0) + self.confusion.sum(1)  # 2 TP + FP + FN
        met = both > 0
        return {
            "balanced_accuracy": float(np.mean(shares)),
            "macro_f1": 100 * float(np.mean(2 * right[met] / both[met])),
            "top5_accuracy": 100 * self.top5 / int(self.confusion.sum()),
        }


def judged(
    network: nn.Module, split: Split, accelerator: str = "cpu", batch_size: int = 500
) -> Judgement:
    """What `network` (in eval mode) makes of all of `split`, in float32."""
    tally, confusion, top5 = _judged(network, split, accelerator, batch_size)
    return Judgement(tally.score(), confusion.cpu().numpy().astype(np.int64), int(top5))


def _judged(
    network: nn.Module, split: Split, accelerator: str, batch_size: int
) -> tuple[Tally, Tensor, Tensor]:
    """The sums, the confusion (classes, classes) and how many labels are among the five likeliest.

    All of them are on the accelerator.
    """
    network.to(accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = network.training
    network.eval()
    tally = Tally(accelerator)
    confusion, top5 = torch.zeros(0), torch.zeros((), dtype=torch.int64, device=accelerator)
    with torch.no_grad():
        for images, labels in batches(split, batch_size, accelerator):
            logits = network(images)
            tally.add(cross_entropy(logits, labels), logits, labels)
            classes = logits.shape[1]
            cells = labels * classes + logits.argmax(1)
            found = torch.bincount(cells, minlength=classes**2)
            confusion = found if not len(confusion) else confusion + found
            likeliest = logits.topk(min(_TOP, classes), dim=1).indices
            top5 += (likeliest == labels[:, None]).sum()
    network.train(training)
    return tally, confusion.view(classes, classes), top5
