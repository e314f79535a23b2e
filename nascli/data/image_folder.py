"""Any tree of class folders with image files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nascli.core.fault import Fault, unknown
from nascli.data import images
from nascli.data.holdout import Holdout, Splits

if TYPE_CHECKING:
    from nascli.data.files import Files
    from nascli.data.split import Split
    from nascli.data.task import SplitName

_FOLDERS = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}


class ImageFolder:
    """Images sorted into class folders: `path`/train/<class>/..., with valid (or val) and test.

    A missing valid or test folder is held out of train by its fraction. Without a train folder
    that holds folders, `path`/<class>/... itself is the training part. Class folders may be nested;
    hidden files and files that are no images are passed over.

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

    Raises:
        Fault: no such folder, no or one class, an empty class folder, a class that is not in train.
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
    ) -> None:
        if image_size is not None and (not isinstance(image_size, int) or image_size < 1):
            raise Fault(f"data.image_size is {image_size!r}; it must be null or a number of pixels")
        if channels not in (None, 1, 3):
            raise Fault(f"data.channels is {channels!r}; it must be null, 1 (grey) or 3 (coloured)")
        self._size, self._channels = image_size, channels
        self._memory_mb, self._workers = memory_mb, workers
        parts = _parts(Path(path).expanduser())
        self.class_names = tuple(_classes(parts["train"]))
        if len(self.class_names) < 2:
            raise Fault(
                f"data.path={path} has {len(self.class_names) or 'no'} class folders in "
                f"{parts['train']}; at least two are needed, each with its images"
            )
        self.classes = len(self.class_names)
        self._files = {name: self._scan(folder) for name, folder in parts.items()}
        sources = {name: partial(self._source, name) for name in parts}
        holdout = Holdout(valid_fraction, test_fraction, split_seed, limit_train)
        self.flips = flips
        self._splits = Splits(sources, holdout, flips=flips)

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
        return self._splits[name]

    def _source(self, name: str) -> Files:
        from nascli.data.files import Files

        decoder = images.Decoder(
            self.input_shape, resize=self._size is not None, fade=self._channels == 1
        )
        files = [file for file, _ in self._files[name]]
        labels = np.array([label for _, label in self._files[name]], dtype=np.int64)
        return Files(files, labels, decoder, self._memory_mb, self._workers)

    def _scan(self, folder: Path) -> Sequence[tuple[Path, int]]:
        """Every image with its class's number."""
        found, empty = [], []
        for name in _classes(folder):
            if name not in self.class_names:
                raise Fault(unknown(f"class folder in {folder}:", name, self.class_names))
            files = images.find(folder / name)
            label = self.class_names.index(name)
            found += [(file, label) for file in files]
            if not files:
                empty.append(str(folder / name))
        if empty:
            kinds = " ".join(sorted(images.SUFFIXES))
            raise Fault(f"no image ({kinds}) in class folder {', '.join(empty)}")
        return found


def _classes(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the parts that there are."""
    if not root.is_dir():
        raise Fault(f"data.path={root} is no folder; give one that holds a folder for each class")
    if not (root / "train").is_dir() or not _classes(root / "train"):
        return {"train": root}
    parts = {}
    for part, names in _FOLDERS.items():
        there = [root / name for name in names if (root / name).is_dir()]
        if len(there) > 1:
            raise Fault(f"{' and '.join(map(str, there))} are two {part} folders; keep one")
        if there:
            parts[part] = there[0]
    return parts
