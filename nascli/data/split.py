"""A split: labelled images in memory or on disk, and how to normalise them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nascli.data.holdout import Rows
from nascli.data.keys import Keys, of_array

_MEASURED = 10_000


class Source(Protocol):
    """Where the images of a split come from."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64, on the CPU."""

    def take(self, rows: Rows) -> Source:
        """Only these images, in this order."""

    @property
    def keys(self) -> Keys:
        """(N,) what identifies each image, see `nascli.data.keys`."""

    def check(self) -> None:
        """Opens all that is not open yet.

        Raises:
            Fault: an image cannot be read or does not fit the others.
        """

    def fetch(self, order: Tensor, batch_size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (B, C, H, W) as stored and labels (B,), on `device`, in this order.

        The images lie in channels_last memory; the last batch may be smaller.
        """


class Memory:
    """Images that lie in memory; they move to an accelerator once, whatever uses them.

    Args:
        images: (N, H, W, C), uint8 or float32; not copied.
        labels: (N,) int64.
    """

    def __init__(self, images: NDArray[Any], labels: NDArray[np.int64]) -> None:
        self._all = {"cpu": (torch.from_numpy(images), torch.from_numpy(labels))}
        self._rows = torch.arange(len(labels))
        self.shape: tuple[int, int, int] = (images.shape[3], images.shape[1], images.shape[2])
        self.labels = self._all["cpu"][1]
        self._keys: list[Keys] = []  # of all images, once they are asked for

    @property
    def keys(self) -> Keys:
        """See `Source.keys`."""
        if not self._keys:
            self._keys.append(of_array(self._all["cpu"][0].numpy()))
        keys: Keys = self._keys[0][self._rows.numpy()]
        return keys

    def check(self) -> None:
        """They are read already."""

    def take(self, rows: Rows) -> Memory:
        """Only these images; the pixels stay shared."""
        taken = copy.copy(self)
        taken._rows = self._rows[torch.from_numpy(rows)]
        taken.labels = self.labels[torch.from_numpy(rows)]
        return taken

    def fetch(self, order: Tensor, batch_size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Source.fetch`."""
        if device not in self._all:
            images, labels = self._all["cpu"]
            self._all[device] = images.to(device), labels.to(device)
        images, labels = self._all[device]
        for rows in chunks(self._rows[order].to(device), batch_size):
            yield images[rows].permute(0, 3, 1, 2), labels[rows]


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images and what is to be done to them before a network sees them.

    `mean` and `std` hold one value a channel, in the units of the stored images, measured on the
    training split. `flips` says whether a mirrored image is still of its class.
    """

    source: Source
    mean: Tensor
    std: Tensor
    flips: bool

    def __len__(self) -> int:
        return len(self.source.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return self.source.shape

    @property
    def labels(self) -> Tensor:
        """(N,) int64, on the CPU."""
        return self.source.labels

    def take(self, rows: Rows) -> Split:
        """Only these images, in this order."""
        return replace(self, source=self.source.take(rows))

    def images(self) -> Tensor:
        """All images as stored, (N, C, H, W), on the CPU."""
        order = torch.arange(len(self))
        return torch.cat([images for images, _ in self.source.fetch(order, 1024, "cpu")])


def chunks(order: Tensor, size: int) -> list[Tensor]:
    """Stretches of `size`, the last one maybe shorter; none of nothing."""
    return [order[begin : begin + size] for begin in range(0, len(order), size)]


@dataclass(frozen=True)
class Survey:
    """What some images of a source are like.

    Args:
        mean: of each channel, (C,) float32, as stored.
        std: the standard deviations; 1 for a channel that never changes.
        images: how many were looked at.
        plain: how many of them have one colour all over.
    """

    mean: Tensor
    std: Tensor
    images: int
    plain: int


def survey(source: Source, most: int = _MEASURED) -> Survey:
    """Looks at no more than `most` images, evenly spaced."""
    count = min(most, len(source.labels))
    order = torch.linspace(0, len(source.labels) - 1, count, dtype=torch.float64).long()
    totals = torch.zeros(2, source.shape[0], dtype=torch.float64)
    plain = 0
    for images, _ in source.fetch(order, 256, "cpu"):
        pixels = images.double()
        totals += torch.stack([pixels.sum((0, 2, 3)), pixels.square().sum((0, 2, 3))])
        # One row first: hardly any image gets past it.
        alike = (images[:, :, :1] == images[:, :, :1, :1]).all(3).all(2).all(1)
        rest = images[alike]
        plain += int((rest == rest[:, :, :1, :1]).flatten(1).all(1).sum())
    mean, square = totals / (count * source.shape[1] * source.shape[2])
    std = (square - mean.square()).clamp(min=0).sqrt()
    std[std < 1e-6 * (1 + mean.abs())] = 1
    return Survey(mean.float(), std.float(), count, plain)


def statistics(source: Source) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (C,) float32, as stored.

    Taken over at most 10,000 images, evenly spaced. A channel that never changes gets 1.
    """
    found = survey(source)
    return found.mean, found.std
