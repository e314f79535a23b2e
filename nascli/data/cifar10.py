"""CIFAR-10 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nascli.data.cifar import read
from nascli.data.holdout import Holdout
from nascli.data.splits import Splits
from nascli.data.values import checked

if TYPE_CHECKING:
    from nascli.data.split import Split
    from nascli.data.task import SplitName


class Cifar10:
    """60,000 colour images of 32x32 pixels in 10 classes; the published 10,000 are the test split.

    `path` holds the published folder, as torchvision lays it out; nothing is downloaded unless
    `download` says so.
    """

    name = "cifar10"
    input_shape = (3, 32, 32)
    classes = 10
    flips = True
    class_names = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def __init__(
        self,
        path: str = "data",
        download: bool = False,
        valid_fraction: float = 0.1,
        split_seed: int = 0,
        limit_train: int | None = None,
        split_rule: int = 2,
    ) -> None:
        with checked() as values:
            values.path("path", path)
            values.switch("download", download)
        load = partial(read, "CIFAR10", path, download=download)
        sources = {"train": partial(load, train=True), "test": partial(load, train=False)}
        holdout = Holdout(valid_fraction, 0, split_seed, limit_train, split_rule)
        self.splits = Splits(sources, holdout, flips=self.flips)

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`."""
        return self.splits[name]
