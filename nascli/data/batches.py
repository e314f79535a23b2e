"""Batches of a split: in order, shuffled, or without end and resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nascli.core.randomness import seed_of
from nascli.data.holdout import spread
from nascli.data.split import Split, chunks

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W), float32, normalised, channels_last; and labels (B,), int64."""


class Augment(Protocol):
    """Changes the images of a batch at random, each on its own."""

    def __call__(self, images: Tensor, black: Tensor, generator: torch.Generator) -> Tensor:
        """Normalised images (B, C, H, W) -> as many of the same shape.

        `black` (C,) is the normalised value of a stored zero. All draws come from `generator`, on
        the CPU, so that they are the same on every accelerator.
        """

    def pixels(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The same for images as they are stored, before they are normalised."""


def seeded(seed: int, *names: str | int) -> torch.Generator:
    """torch's generator on the CPU, its seed by `nascli.core.randomness.seed_of`."""
    return torch.Generator().manual_seed(seed_of(seed, *names))


def batches(
    split: Split,
    batch_size: int,
    device: str,
    *,
    generator: torch.Generator | None = None,
    limit: int | None = None,
    augment: Augment | None = None,
    drop_last: bool = False,
    part: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """One pass over `split`, at most `limit` batches long.

    With a (CPU) generator the images are shuffled, and `augment` draws from it too; without, they
    come in the split's order. The last batch may be smaller; `drop_last` leaves it out. `part` (n,
    of how many) gives the nth share (from 0) of every batch; what cannot be shared out is left out.

    Raises:
        ValueError: `augment` without `generator`.
    """
    if augment is not None and generator is None:
        raise ValueError("augment needs a generator to draw from")
    count = len(split)
    order = torch.randperm(count, generator=generator) if generator else torch.arange(count)
    stop = count - count % batch_size if drop_last else count
    stop = stop if limit is None else min(stop, limit * batch_size)
    prepare = _preparing(split, device)
    order, (number, count) = order[:stop], part
    if count > 1:
        whole = [rows[: len(rows) - len(rows) % count] for rows in chunks(order, batch_size)]
        order = torch.cat([rows.chunk(count)[number] for rows in whole if len(rows)])
        batch_size //= count
        if number and generator is not None:  # or else every share would be augmented alike
            generator.manual_seed(generator.initial_seed() + number)
    for images, labels in split.source.fetch(order, batch_size, device):
        yield prepare(images, augment, generator), labels


class Endless:
    """Batches of `split` without end, reshuffled at each pass; it can stop anywhere and go on.

    Every batch is full: what is left over at the end of a pass is other images in every pass. (A
    split smaller than `batch_size` is one batch.) Order and augmentation follow from the seed, the
    number of the pass and the place in it, which is all the state there is.
    """

    def __init__(
        self, split: Split, batch_size: int, device: str, seed: int, augment: Augment | None = None
    ) -> None:
        self._split, self._device = split, device
        self._batch_size = min(batch_size, len(split))
        self._seed, self._augment = seed, augment
        self._pass = self._place = 0
        self._prepare = _preparing(split, device)
        self._stream: Iterator[Batch] | None = None

    def __len__(self) -> int:
        """How many batches make a pass."""
        return len(self._split) // self._batch_size

    def next(self) -> Batch:
        """The next batch."""
        if self._place == len(self):
            self._pass, self._place, self._stream = self._pass + 1, 0, None
        if self._stream is None:
            self._stream = self._rest_of_pass()
        images, labels = next(self._stream)
        generator = seeded(self._seed, "augment", self._pass, self._place)
        self._place += 1
        return self._prepare(images, self._augment, generator), labels

    def _rest_of_pass(self) -> Iterator[Batch]:
        generator = seeded(self._seed, "order", self._pass)
        order = torch.randperm(len(self._split), generator=generator)
        begin, end = self._place * self._batch_size, len(self) * self._batch_size
        return self._split.source.fetch(order[begin:end], self._batch_size, self._device)

    def state_dict(self) -> dict[str, int]:
        """Where it stands."""
        return {"pass": self._pass, "place": self._place}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on where `state` stands."""
        self._pass, self._place, self._stream = state["pass"], state["place"], None


def halves(split: Split, seed: int) -> tuple[Split, Split]:
    """Two disjoint halves of a split, each with every class in proportion (odd: one more)."""
    order = spread(split.labels.numpy(), seed)
    middle = len(order) // 2
    return split.take(np.sort(order[:middle])), split.take(np.sort(order[middle:]))


Prepare = Callable[[Tensor, "Augment | None", "torch.Generator | None"], Tensor]


def _preparing(split: Split, device: str) -> Prepare:
    """What makes stored images ready for a network."""
    channels, height, width = split.shape
    black = (-split.mean / split.std).to(device)
    # One value a pixel, because adding a vector of 3 values runs ten times slower on a CPU.
    size = (height, width, channels)
    shift = black.expand(size).contiguous().permute(2, 0, 1)
    scale = (1 / split.std).to(device).expand(size).contiguous().permute(2, 0, 1)

    def prepare(
        images: Tensor, augment: Augment | None, generator: torch.Generator | None
    ) -> Tensor:
        if augment is None:
            return torch.addcmul(shift, images.float(), scale)
        assert generator is not None
        images = augment.pixels(images, generator)
        images = torch.addcmul(shift, images.float(), scale)
        return augment(images, black, generator)

    return prepare
