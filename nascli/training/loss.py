"""What a training step descends: cross-entropy of mixed, smoothed and weighted targets."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from nascli.data.split import Split
from nascli.training.recipe import Recipe

Mixing = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def mixing(recipe: Recipe, split: Split) -> Mixing:
    """Images (B, C, H, W) and labels (B,) -> mixed ones and targets, (B, classes) if mixed.

    mixup (Zhang et al. 2018, arXiv 1710.09412) adds up two images of a batch, CutMix (Yun et al.
    2019, arXiv 1905.04899) pastes a piece of one into the other; with both asked for, one of them
    is drawn for every batch. All draws come from torch's global generator.
    """
    if not (recipe.mixup or recipe.cutmix):
        return lambda images, labels: (images, labels)
    from torchvision.transforms import v2  # it takes a second to import

    classes = _classes(split)
    kinds: list[Mixing] = []
    if recipe.mixup:
        kinds.append(v2.MixUp(alpha=float(recipe.mixup), num_classes=classes))
    if recipe.cutmix:
        kinds.append(v2.CutMix(alpha=float(recipe.cutmix), num_classes=classes))
    if len(kinds) == 1:
        return kinds[0]
    return lambda images, labels: kinds[int(torch.randint(2, ()))](images, labels)


class Loss:
    """Mean cross-entropy of a batch, by the recipe.

    With class_weights="balanced" an image counts N / (K N_k), N_k being how many of the N training
    images are of its class and K how many classes have any (King and Zeng 2001).

    Args:
        recipe: its label_smoothing, auxiliary_weight and class_weights.
        split: the training images.
        accelerator: where it computes.
    """

    def __init__(self, recipe: Recipe, split: Split, accelerator: str) -> None:
        self._recipe = recipe
        self._weights: Tensor | None = None
        if recipe.class_weights == "balanced":
            counts = torch.bincount(split.labels).double()
            present = counts > 0
            weights = torch.where(present, len(split) / (present.sum() * counts), 0.0)
            self._weights = weights.float().to(accelerator)

    def __call__(self, output: Tensor | tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Of logits (B, classes), or (logits, those of an auxiliary head), and `mixing`'s targets.

        The auxiliary head's loss counts `auxiliary_weight`.
        """
        logits, *auxiliary = output if isinstance(output, tuple) else (output,)
        loss = self._entropy(logits, targets)
        for head in auxiliary:
            loss = loss + self._recipe.auxiliary_weight * self._entropy(head, targets)
        return loss

    def _entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        classes, weights = logits.shape[1], self._weights
        if targets.dim() == 2:  # classes without a training image come last, if there are any
            targets = pad(targets, (0, classes - targets.shape[1]))
        if weights is not None:
            weights = pad(weights, (0, classes - len(weights)))
        smoothing = self._recipe.label_smoothing
        return cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)


def dominant(targets: Tensor) -> Tensor:
    """(B,): the class that counts most for each image."""
    return targets.argmax(1) if targets.dim() == 2 else targets


def _classes(split: Split) -> int:
    """Of the training images: labels run from 0."""
    return int(split.labels.max()) + 1
