"""CIFAR-100 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images)."""

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


class Cifar100:
    """60,000 colour images of 32x32 pixels in 100 classes; the published 10,000 are the test split.

    `path` holds the published folder, as torchvision lays it out; nothing is downloaded unless
    `download` says so.
    """

    name = "cifar100"
    input_shape = (3, 32, 32)
    classes = 100
    flips = True
    class_names = tuple(
        """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge
        bus butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud
        cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox
        girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
        maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree
        pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
        road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel
        streetcar sunflower sweet_pepper table tank telephone television tiger tractor train
        trout tulip turtle wardrobe whale willow_tree wolf woman worm
        """.split()  # noqa: SIM905 - a hundred quoted words are harder to read
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
        load = partial(read, "CIFAR100", path, download=download)
        sources = {"train": partial(load, train=True), "test": partial(load, train=False)}
        holdout = Holdout(valid_fraction, 0, split_seed, limit_train, split_rule)
        self.splits = Splits(sources, holdout, flips=self.flips)

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`."""
        return self.splits[name]
