"""Made-up images whose classes can be learnt, for trying things out and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nascli.data.holdout import Holdout
from nascli.data.splits import Splits
from nascli.data.values import checked

if TYPE_CHECKING:
    from nascli.data.split import Memory, Split
    from nascli.data.task import SplitName


class Synthetic:
    """`images` images in equally many of each class: a smooth pattern a class, shifted, and noise.

    `noise` is the standard deviation of the noise relative to that of the pattern.

    Raises:
        Fault: a setting is out of its range, or the images do not go into memory.
    """

    name = "synthetic"
    flips = False

    def __init__(
        self,
        images: int = 512,
        size: int = 8,
        channels: int = 3,
        classes: int = 4,
        noise: float = 0.5,
        seed: int = 0,
        valid_fraction: float = 0.25,
        test_fraction: float = 0.25,
        split_seed: int = 0,
        limit_train: int | None = None,
        split_rule: int = 2,
    ) -> None:
        with checked() as values:
            good = values.whole("images", images, 1, 10**9)
            good &= values.whole("size", size, 1, 10**5)
            good &= values.whole("channels", channels, 1, 10**4)
            good &= values.whole("classes", classes, 2, 10**6)
            values.number("noise", noise)
            values.whole("seed", seed, 0)
            if good:  # drawn as 64-bit numbers, with as much again on the way
                waves = classes * 18 * channels
                values.fits("these images", 16 * (images * size * size * channels + waves))
        self.input_shape = (channels, size, size)
        self.classes = classes
        self.class_names = tuple(f"class_{label}" for label in range(classes))
        self._images, self._noise, self._seed = images, noise, seed
        holdout = Holdout(valid_fraction, test_fraction, split_seed, limit_train, split_rule)
        self.splits = Splits({"train": self._draw}, holdout, flips=self.flips)

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`."""
        return self.splits[name]

    def _draw(self) -> Memory:
        from nascli.data.split import Memory

        rng = np.random.default_rng(self._seed)
        channels, size, _ = self.input_shape
        labels = np.arange(self._images, dtype=np.int64) % self.classes
        # A few waves that go round evenly, so that a shifted pattern has no seam.
        waves = rng.standard_normal((self.classes, 3, 3, channels, 2))
        angle = 2 * np.pi * np.arange(size) / size
        shift = rng.integers(-1, 2, (self._images, 2)) * 2 * np.pi / size
        pixels = rng.standard_normal((self._images, size, size, channels)) * self._noise
        for down, across in np.ndindex(3, 3):
            phase = (angle[:, None] + shift[:, :1, None]) * down
            phase = phase + (angle[None, :] + shift[:, 1:, None]) * across  # (N, H, W)
            wave = waves[labels, down, across]  # (N, C, 2)
            pixels += np.einsum("nhw,nc->nhwc", np.cos(phase), wave[..., 0]) / 3
            pixels += np.einsum("nhw,nc->nhwc", np.sin(phase), wave[..., 1]) / 3
        return Memory(np.clip(128 + 48 * pixels, 0, 255).astype(np.uint8), labels)
