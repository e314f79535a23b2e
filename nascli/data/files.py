"""Images in files: decoded into memory once if they fit, else streamed by worker processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nascli.core.fault import Fault
from nascli.data.holdout import Rows
from nascli.data.images import Decoder
from nascli.data.split import Memory, chunks

_FEW = 2000  # images that are decoded before processes to do it would have started


@dataclass(frozen=True, eq=False)
class Files:
    """A `Source` of image files and their `classes` (numbers).

    If they take at most `memory_mb` (1,000,000 bytes each) decoded, they are decoded when first
    fetched and kept, else decoded anew for every pass; by `workers` processes (0: by this one).
    """

    files: Sequence[Path]
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

    def take(self, rows: Rows) -> Files | Memory:
        """Only these images; those left out are not decoded either, if none are yet."""
        if "_memory" in self.__dict__:
            return self._memory.take(rows)
        return replace(self, files=[self.files[row] for row in rows], classes=self.classes[rows])

    def fetch(self, order: Tensor, batch_size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
        """See `nascli.data.split.Source.fetch`.

        Raises:
            Fault: an image cannot be read or does not fit the others.
        """
        if len(self.files) * math.prod(self.shape) <= self.memory_mb * 1e6:
            return self._memory.fetch(order, batch_size, device)
        return self._stream(order, batch_size, device)

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
        loader = DataLoader(
            _Batches(self),
            batch_size=None,  # the sampler's items are batches already
            sampler=chunks(order, batch_size),
            num_workers=self.workers,
            pin_memory=device != "cpu",
            generator=torch.Generator(),  # without one it would draw from the global generator
        )
        for images, labels, fault in loader:
            if fault:
                raise Fault(fault)
            images = images.to(device, non_blocking=True).permute(0, 3, 1, 2)
            yield images, labels.to(device, non_blocking=True)


class _Batches(Dataset[tuple[Tensor, Tensor, str]]):
    """Rows -> images (B, H, W, C), labels (B,), and what went wrong, if anything did."""

    def __init__(self, source: Files) -> None:
        self._source = source

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor, str]:
        decoder, labels = self._source.decoder, self._source.labels[rows]
        try:
            images = np.stack([decoder(self._source.files[row]) for row in rows.tolist()])
        except Fault as fault:  # raised by the reader of the loader, as a plain message
            return torch.empty(0), labels, str(fault)
        return torch.from_numpy(images), labels, ""
