"""Images and labels in one NumPy file (.npz)."""

from __future__ import annotations

import zipfile
import zlib
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.data.holdout import Holdout, Splits

if TYPE_CHECKING:
    from nascli.data.split import Memory, Split
    from nascli.data.task import SplitName

_CHANNELS = (1, 3, 4)
_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


class Arrays:
    """The arrays x_train, y_train and, where there are, x_valid, y_valid, x_test, y_test.

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or float (kept as float32); labels are
    integers from 0. An array class_names of strings may name the classes.

    Args:
        path: the .npz file.
        layout: "NHWC" or "NCHW"; null recognises it by which axis has 1, 3 or 4 entries.
        flips: whether a mirrored image is still of its class.
        valid_fraction: see `nascli.data.holdout.Holdout`, as for what follows.
        test_fraction: used where there is no x_test.
        split_seed: fixes what is held out.
        limit_train: at most so many images to train and validate on.

    Raises:
        Fault: the file is missing, holds Python objects, or its arrays do not fit together.
    """

    name = "arrays"

    def __init__(
        self,
        path: str,
        layout: str | None = None,
        flips: bool = True,
        valid_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        limit_train: int | None = None,
    ) -> None:
        self._path, self._layout = Path(path).expanduser(), layout
        if layout not in (None, "NHWC", "NCHW"):
            raise Fault(f"data.layout is {layout!r}; it must be null, NHWC or NCHW")
        self._archive = _Archive(self._path)
        parts = ["train", *(p for p in ("valid", "test") if f"x_{p}" in self._archive.names)]
        sources = {part: partial(self._source, part) for part in parts}
        holdout = Holdout(valid_fraction, test_fraction, split_seed, limit_train)
        self.flips = flips
        self._splits = Splits(sources, holdout, flips=flips)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, height, width, channels = self._train[0].shape
        return channels, height, width

    @cached_property
    def classes(self) -> int:
        """One more than the largest label to train on."""
        counts = np.bincount(self._train[1])
        if len(counts) < 2 or not counts.all():
            missing = ", ".join(map(str, np.flatnonzero(counts == 0)[:5])) or "1"
            raise Fault(
                f"{self._path}: y_train has no image of class {missing}; labels are the integers "
                "from 0, none left out, and at least two"
            )
        return len(counts)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """From the array class_names, else the labels as text."""
        if "class_names" not in self._archive.names:
            return tuple(map(str, range(self.classes)))
        names = tuple(map(str, self._archive.array("class_names").ravel()))
        if len(names) != self.classes:
            raise Fault(f"{self._path}: {len(names)} class_names for {self.classes} classes")
        return names

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`."""
        return self._splits[name]

    @cached_property
    def _train(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return self._archive.images("train", self._layout)

    def _source(self, part: str) -> Memory:
        from nascli.data.split import Memory

        images, labels = self._train
        if part != "train":
            images, labels = self._archive.images(part, self._layout)
        if images.shape[1:] != self._train[0].shape[1:] or labels.max() >= self.classes:
            raise Fault(
                f"{self._path}: x_{part} has images {images.shape[1:]} and labels up to "
                f"{labels.max()}; x_train has {self._train[0].shape[1:]} and {self.classes} classes"
            )
        return Memory(images, labels)


class _Archive:
    """An .npz file, opened anew for every array; pickled objects are refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as archive:
            self.names = tuple(archive.files)

    def array(self, name: str) -> NDArray[Any]:
        """The array of that name."""
        if name not in self.names:
            there = ", ".join(self.names) or "nothing"
            raise Fault(f"{self._path} has no array {name}; it holds: {there}")
        with self._opened() as archive:
            try:
                array: NDArray[Any] = archive[name]
            except _UNREADABLE as error:
                raise Fault(f"cannot read {name} of {self._path}: {error}") from error
        return array

    def images(self, part: str, layout: str | None) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Images (N, H, W, C), uint8 or float32, and labels (N,)."""
        images, labels = self.array(f"x_{part}"), self.array(f"y_{part}")
        where = f"{self._path}: x_{part}"
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.dtype.kind not in "iu" or labels.ndim != 1 or (labels < 0).any():
            kind = f"{labels.dtype} {labels.shape}"
            raise Fault(f"{self._path}: y_{part} is {kind}; it must be N integers of at least 0")
        if not len(labels) or len(images) != len(labels):
            raise Fault(f"{where} has {len(images)} images, y_{part} {len(labels)} labels")
        return _channels_last(_numbers(images, where), layout, where), labels.astype(np.int64)

    def _opened(self) -> NpzFile:
        try:
            archive = np.load(self._path, allow_pickle=False)
        except _UNREADABLE as error:
            raise Fault(f"cannot read data.path={self._path} as an .npz file: {error}") from error
        if not isinstance(archive, NpzFile):
            raise Fault(
                f"data.path={self._path} is a lone array; an .npz file of several is needed"
            )
        return archive


def _numbers(images: NDArray[Any], where: str) -> NDArray[Any]:
    """The images as uint8 or finite float32."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise Fault(f"{where} is {images.dtype}; images are uint8 (0 to 255) or float")
    images = images.astype(np.float32)
    if not np.isfinite(images).all():
        raise Fault(f"{where} holds numbers that are not finite")
    return images


def _channels_last(images: NDArray[Any], layout: str | None, where: str) -> NDArray[Any]:
    """The images as (N, H, W, C)."""
    if images.ndim == 3:
        return images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise Fault(f"{where} has shape {images.shape}; images are (N, H, W, C), or (N, C, H, W)")
    last, first = (images.shape[axis] in _CHANNELS for axis in (3, 1))
    if layout is None and last == first:
        raise Fault(f"{where} has shape {images.shape}; set data.layout=NHWC or data.layout=NCHW")
    if layout == "NHWC" or (layout is None and last):
        return images
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))
