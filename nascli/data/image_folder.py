"""Any tree of class folders with image files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nascli.core.fault import Fault, unknown
from nascli.data import images
from nascli.data.holdout import Holdout
from nascli.data.splits import Splits
from nascli.data.tree import Tree
from nascli.data.values import checked

if TYPE_CHECKING:
    from nascli.data.files import Files
    from nascli.data.split import Split
    from nascli.data.task import SplitName

_MOST_PIXELS = 10_000  # a side, after resizing
_MOST_WORKERS = 256
_TO_CONVERT = (".heic", ".heif")  # what telephones write, and Pillow alone does not read


class ImageFolder:
    """Images sorted into class folders: `path`/train/<class>/..., with valid and test.

    Train may also be called training, valid val, validation or dev, and test testing, in capitals
    or not. A missing valid or test folder is held out of train by its fraction. Without such
    folders `path`/<class>/... itself is the training part. Class folders may be nested; hidden
    files are passed over, and so are, with a notice, files that are no images.

    Args:
        path: the tree.
        image_size: pixels of both sides, to which the shorter side is resized before the centre is
            cropped; null takes the first image's size, and all must have it.
        channels: 1 or 3; null takes the first image's.
        flips: whether a mirrored image is still of its class.
        memory_mb: a split that takes at most so much decoded is kept in memory, a larger one is
            streamed.
        workers: processes that decode a streamed split; 0 decodes in the search's own.
        valid_fraction: see `nascli.data.holdout.Holdout`, as for what follows.
        test_fraction: used where there is no test folder.
        split_seed: fixes what is held out.
        limit_train: at most so many images to train and validate on.
        split_rule: how what is held out is drawn.

    Raises:
        Fault: no such folder, no or one class, an empty class folder, a class that is not in train,
            folders of which it cannot be told what they are.
    """

    name = "image_folder"

    def __init__(
        self,
        path: str,
        image_size: int | None = None,
        channels: int | None = None,
        flips: bool = True,
        memory_mb: float = 1000,
        workers: int = 2,
        valid_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        limit_train: int | None = None,
        split_rule: int = 2,
    ) -> None:
        with checked() as values:
            values.path("path", path)
            values.whole("image_size", image_size, 1, _MOST_PIXELS, null=True)
            allowed = {"null": None, "1 (grey)": 1, "3 (coloured)": 3}
            values.one_of("channels", channels, allowed)
            values.switch("flips", flips)
            values.number("memory_mb", memory_mb)
            values.whole("workers", workers, 0, _MOST_WORKERS)
        holdout = Holdout(valid_fraction, test_fraction, split_seed, limit_train, split_rule)
        self._size, self._channels = image_size, channels
        self._memory_mb, self._workers = memory_mb, workers
        suffixes = images.SUFFIXES_1 if split_rule == 1 else images.SUFFIXES
        tree = Tree(Path(path).expanduser(), suffixes, split_rule)
        parts, notices = tree.parts()
        self.class_names = tuple(tree.folders(parts["train"]))
        if len(self.class_names) < 2:
            raise Fault(
                f"data.path={path} has {len(self.class_names) or 'no'} class folders in "
                f"{parts['train']}; at least two are needed, each with its images"
            )
        self.classes = len(self.class_names)
        self._files = {name: self._scan(tree, folder) for name, folder in parts.items()}
        kinds = _said(tree.passed_over)
        notices += [f"passed over among the images of {path}: {kinds}"] if kinds else []
        self.flips = flips
        sources = {name: partial(self._source, name) for name in parts}
        self.splits = Splits(sources, holdout, flips=flips, notices=notices)

    @cached_property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width); opens the first image if the config does not say."""
        channels, height, width = self._channels, self._size, self._size
        if channels is None or height is None or width is None:
            first = images.shape(self._files["train"][0][0])
            channels = channels or first[0]
            height, width = height or first[1], width or first[2]
        return channels, height, width

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`."""
        return self.splits[name]

    def _source(self, name: str) -> Files:
        from nascli.data.files import Files

        decoder = images.Decoder(
            self.input_shape, resize=self._size is not None, fade=self._channels == 1
        )
        files = [file for file, _ in self._files[name]]
        labels = np.array([label for _, label in self._files[name]], dtype=np.int64)
        return Files(files, labels, decoder, self._memory_mb, self._workers)

    def _scan(self, tree: Tree, folder: str) -> Sequence[tuple[str, int]]:
        """Every image with its class's number."""
        found, empty = [], []
        for name in tree.folders(folder):
            if name not in self.class_names:
                raise Fault(unknown(f"class folder in {folder}:", name, self.class_names))
            before = tree.passed_over.copy()
            files = tree.images(f"{folder}/{name}")
            label = self.class_names.index(name)
            found += [(file, label) for file in files]
            if not files:
                there = _said(tree.passed_over - before)
                empty.append(f"{folder}/{name}" + (f" (it has {there})" if there else ""))
        if empty:
            kinds = " ".join(sorted(images.SUFFIXES))
            raise Fault(f"no image in class folder {', '.join(empty)}; images are: {kinds}")
        return found


def _said(passed_over: Counter[str]) -> str:
    """How many of each kind, and what to do with photographs of a format that is not read."""
    return ", ".join(
        f"{count:,} {kind}{' (not read: convert them to JPEG)' if kind in _TO_CONVERT else ''}"
        for kind, count in sorted(passed_over.items())
    )
