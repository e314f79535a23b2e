"""The two halves of the training split, one for each level of a bilevel search."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nascli.core.problem import Problem
from nascli.data.batches import Batch, Endless, batches, halves, seeded
from nascli.training.augmentation import augmentation

_PROBE = 128  # images of the fixed batch


class Halves:
    """Endless batches of both halves; `steps` make an epoch.

    Images are (B, C, H, W), labels (B,); B is the recipe's batch size, or less for few images.
    """

    def __init__(self, problem: Problem) -> None:
        recipe, where, seed = problem.recipe, problem.accelerator, problem.seed
        task: Any = problem.task
        for_weights, for_alphas = halves(task.split("train"), seed)
        augment = augmentation(recipe, for_weights)
        size = min(recipe.batch_size, len(for_weights), len(for_alphas))
        self.steps = max(1, len(for_weights) // size)
        self._streams = [
            Endless(split, size, where, seed=2 * seed + number, augment=augment)
            for number, split in enumerate((for_weights, for_alphas))
        ]
        self._half, self._seed, self._where = for_alphas, seed, where
        self._fixed: Batch | None = None
        self._waiting: Batch | None = None

    def train(self) -> Batch:
        """The next batch for the weights."""
        batch, self._waiting = self._waiting or self._streams[0].next(), None
        return batch

    def upcoming(self) -> Batch:
        """The batch that `train` will give next."""
        self._waiting = self._waiting or self._streams[0].next()
        return self._waiting

    def valid(self) -> Batch:
        """The next batch for the architecture weights."""
        return self._streams[1].next()

    def probe(self) -> Batch:
        """Always the same images of the validation half, as they are."""
        if self._fixed is None:
            generator = seeded(self._seed, "probe")  # a split may list images class by class
            found = batches(self._half, _PROBE, self._where, generator=generator, limit=1)
            self._fixed = next(iter(found))
        return self._fixed

    def state_dict(self) -> list[dict[str, int]]:
        """Where both streams stand, at the end of a step."""
        return [stream.state_dict() for stream in self._streams]

    def load_state_dict(self, state: list[dict[str, int]]) -> None:
        """Takes back what `state_dict` gave."""
        for stream, kept in zip(self._streams, state, strict=True):
            stream.load_state_dict(kept)


def share_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of right answers among logits (B, classes), from 0 to 1."""
    return (logits.detach().argmax(1) == labels).float().mean()
