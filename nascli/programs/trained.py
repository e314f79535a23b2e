"""A trained network that is taken out of its run folder and used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.data import images
from nascli.data.split import Split, chunks
from nascli.formats.deployed import Deployed, answers
from nascli.runs.card import Card

_AT_ONCE = 256


@dataclass(frozen=True)
class Trained:
    """The network with its weights, and what one must know of it.

    Args:
        network: normalised images (B, C, H, W) -> logits (B, classes), in evaluation mode.
        card: what it takes and gives.
        genotype: of the network.
    """

    network: nn.Module
    card: Card
    genotype: Genotype

    def deployed(self) -> Deployed:
        """The network with normalisation before its first layer."""
        return Deployed(self.network, torch.tensor(self.card.mean), torch.tensor(self.card.std))

    def predict(self, given: Any) -> NDArray[np.float32]:
        """Probabilities (N, classes) of images, in the order of `card.class_names`.

        Args:
            given: an image file, a list of such, or an array (N, H, W, C), (N, H, W) if grey, of
                pixels as the network was trained on: 0 to 255 if `card.pixels` is uint8.

        Raises:
            Fault: a file cannot be read, or the array has another shape.
        """
        network, found = self.deployed(), []
        for batch in self._batches(given):
            found.append(answers(network, batch).softmax(dim=1).numpy())
        empty = np.zeros((0, self.card.classes), np.float32)
        return np.concatenate([empty, *found])

    def _batches(self, given: Any) -> Any:
        if isinstance(given, (str, os.PathLike)):
            given = [given]
        if isinstance(given, Sequence) and all(isinstance(g, (str, os.PathLike)) for g in given):
            for start in range(0, len(given), _AT_ONCE):
                yield self.pixels(given[start : start + _AT_ONCE])
        else:
            whole = self._array(given)
            yield from (whole[rows] for rows in chunks(torch.arange(len(whole)), _AT_ONCE))

    def pixels(self, files: Sequence[str | os.PathLike[str]]) -> Tensor:
        """Image files (N, C, H, W) as the network takes them, scaled and cropped as in training.

        Raises:
            Fault: one cannot be read, or the network was trained on other numbers than pixels.
        """
        if self.card.pixels != "uint8":
            raise Fault(
                f"this network was trained on arrays of {self.card.pixels}, whose range no image "
                "file has; give arrays of such numbers from Python"
            )
        shape = self.card.input_shape
        decode = images.Decoder(shape, resize=True, fade=shape[0] == 1)
        read = np.stack([decode(os.fspath(file)) for file in files])
        return torch.from_numpy(read).permute(0, 3, 1, 2).float()

    def _array(self, given: Any) -> Tensor:
        array = np.asarray(given)
        channels, height, width = self.card.input_shape
        wanted = f"(N, {height}, {width}, {channels}), channels last"
        if channels == 1:
            wanted += f", or (N, {height}, {width})"
        found = array[..., None] if array.ndim == 3 and channels == 1 else array
        if found.shape[1:] != (height, width, channels):
            raise Fault(f"images have the shape {array.shape}; it must be {wanted}")
        own = np.array(found, order="C")  # a Pillow image's array must not be written to
        return torch.from_numpy(own).permute(0, 3, 1, 2).float()


def card_of(
    split: Split, description: str, task: str, classes: Sequence[str], costs: dict[str, float]
) -> Card:
    """The card of a network that is trained on this split."""
    pixels, _ = next(iter(split.source.fetch(torch.tensor([0]), 1, "cpu")))
    return Card(
        description=description,
        task=task,
        input_shape=split.shape,
        pixels="uint8" if pixels.dtype == torch.uint8 else "float32",
        mean=tuple(split.mean.tolist()),
        std=tuple(split.std.tolist()),
        class_names=tuple(classes),
        costs=costs,
    )
