"""Images in files: decoded into memory once if they fit, else streamed by worker processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nascli.core import cores
from nascli.core.fault import Fault
from nascli.core.words import counted
from nascli.data import keys
from nascli.data.holdout import Rows
from nascli.data.images import Decoder
from nascli.data.split import Memory, chunks

_NAMED = 8  # bad images at most
_FEW = 2000  # images that are decoded before processes to do it would have started


@dataclass(frozen=True, eq=False)
class Files:
    """A `Source` of image files and their `classes` (numbers).

    If they take at most `memory_mb` (1,000,000 bytes each) decoded, they are decoded when first
    fetched and kept, else decoded anew for every pass; by `workers` processes, at most one a core
    (0: by this one).
    """

    files: Sequence[str]
    classes: NDArray[np.int64]
    decoder: Decoder
    memory_mb: float
    workers: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return self.decoder.shape

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return torch.from_numpy(self.classes)

    @cached_property
    def keys(self) -> keys.Keys:
        """See `nascli.data.split.Source.keys`: of the files as they are, not of their pixels."""
        return keys.of_files(self.files)

    def take(self, rows: Rows) -> Files:
        """Only these images; those left out are not decoded either, if none are yet."""
        files = [self.files[row] for row in rows]
        taken = replace(self, files=files, classes=self.classes[rows])
        kept = vars(self)
        if "keys" in kept:
            vars(taken)["keys"] = self.keys[rows]
        if "_memory" in kept:
            vars(taken)["_memory"] = self._memory.take(rows)
        return taken

    def check(self) -> None:
        """See `nascli.data.split.Source.check`.

        What fits in memory is decoded, as it soon would be; of the rest no more is looked at than
        tells that it can be read.
        """
        if self._fits:
            self._memory  # noqa: B018 - read and kept
            return
        for _ in self._loaded(torch.arange(len(self.files)), 64, _Checked(self)):
            pass

    def fetch(self, order: Tensor, batch_size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
        """See `nascli.data.split.Source.fetch`.

        Raises:
            Fault: an image cannot be read or does not fit the others.
        """
        if self._fits:
            return self._memory.fetch(order, batch_size, device)
        return self._stream(order, batch_size, device)

    @property
    def _fits(self) -> bool:
        return len(self.files) * math.prod(self.shape) <= self.memory_mb * 1e6

    @cached_property
    def _memory(self) -> Memory:
        channels, height, width = self.shape
        images = np.empty((len(self.files), height, width, channels), np.uint8)
        # Processes, because opening a small image is Python, which threads only slow down.
        few = replace(self, workers=0) if len(self.files) < _FEW else self
        order, filled = torch.arange(len(self.files)), 0
        for batch, _ in few._stream(order, 256, "cpu"):
            images[filled : filled + len(batch)] = batch.permute(0, 2, 3, 1).numpy()
            filled += len(batch)
        return Memory(images, self.classes)

    def _stream(
        self, order: Tensor, batch_size: int, device: str
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self._loaded(order, batch_size, _Batches(self), device):
            images = images.to(device, non_blocking=True).permute(0, 3, 1, 2)
            yield images, labels.to(device, non_blocking=True)

    def _loaded(
        self, order: Tensor, batch_size: int, batches: _Batches, device: str = "cpu"
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of these rows, made by worker processes."""
        loader = DataLoader(
            batches,
            batch_size=None,  # the sampler's items are batches already
            sampler=chunks(order, batch_size),
            num_workers=min(self.workers, cores.usable()),
            pin_memory=device != "cpu",
            generator=torch.Generator(),  # without one it would draw from the global generator
        )
        bad: list[tuple[str, str]] = []
        for images, labels, found in loader:  # after a bad one only for the sake of further ones
            bad += found
            if not bad:
                yield images, labels
        if bad:
            raise Fault("\n".join([bad[0][1], *_others([file for file, _ in bad[1:]])]))


def _others(files: Sequence[str]) -> Iterator[str]:
    """Says that these are bad too."""
    if files:
        named = f"{', '.join(files[:_NAMED])}{' ...' if files[_NAMED:] else ''}"
        yield f"{counted(len(files), 'more image')} cannot be used either: {named}"


class _Batches(Dataset[tuple[Tensor, Tensor, list[tuple[str, str]]]]):
    """Rows -> images (B, H, W, C), labels (B,), and which files are bad, and why."""

    def __init__(self, source: Files) -> None:
        self._source = source

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor, list[tuple[str, str]]]:
        images, bad = [], []
        for file in (self._source.files[row] for row in rows.tolist()):
            try:
                images.append(self._made(file))
            except Fault as fault:  # raised by the reader of the loader, as a plain message
                bad.append((file, str(fault)))
        stacked = torch.empty(0) if bad else torch.from_numpy(np.stack(images))
        return stacked, self._source.labels[rows], bad

    def _made(self, file: str) -> NDArray[np.uint8]:
        return self._source.decoder(file)


class _Checked(_Batches):
    """The same without the images: whether they can be read."""

    def _made(self, file: str) -> NDArray[np.uint8]:
        self._source.decoder.check(file)
        return np.empty(0, np.uint8)
