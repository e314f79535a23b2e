"""Images and labels in one NumPy file (.npz)."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.core.words import counted
from nascli.data.holdout import Holdout
from nascli.data.npz import Archive
from nascli.data.splits import Splits
from nascli.data.values import checked

if TYPE_CHECKING:
    from nascli.data.split import Memory, Split
    from nascli.data.task import SplitName

_CHANNELS = (1, 3, 4)
_SCALE = 16.0  # times the range of the training images, which no other split of them has


class Arrays:
    """The arrays x_train, y_train and, where there are, x_valid, y_valid, x_test, y_test.

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W): numbers of any type, in the same units in
    all splits (docs/data.md). Labels are integers from 0. An array class_names of strings may name
    the classes.

    Args:
        path: the .npz file.
        layout: "NHWC" or "NCHW"; null recognises it by which axis has 1, 3 or 4 entries.
        flips: whether a mirrored image is still of its class.
        valid_fraction: see `nascli.data.holdout.Holdout`, as for what follows.
        test_fraction: used where there is no x_test.
        split_seed: fixes what is held out.
        limit_train: at most so many images to train and validate on.
        split_rule: how what is held out is drawn.

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
        split_rule: int = 2,
    ) -> None:
        with checked() as values:
            values.path("path", path)
            layouts = {"null": None, "NHWC": "NHWC", "NCHW": "NCHW"}
            values.one_of("layout", layout, layouts)
            values.switch("flips", flips)
        holdout = Holdout(valid_fraction, test_fraction, split_seed, limit_train, split_rule)
        self._path, self._layout = Path(path).expanduser(), layout
        self._archive = Archive(self._path)
        there = [p for p in ("valid", "test") if {f"x_{p}", f"y_{p}"} & set(self._archive.names)]
        sources = {part: partial(self._source, part) for part in ("train", *there)}
        self.flips = flips
        self.splits = Splits(sources, holdout, flips=flips)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, height, width, channels = self._train[0].shape
        return channels, height, width

    @cached_property
    def classes(self) -> int:
        """One more than the largest label to train on."""
        labels = self._train[1]
        there = np.unique(labels)
        if len(there) < 2 or there[-1] != len(there) - 1:
            missing = np.setdiff1d(np.arange(max(2, len(there))), there)[:5]
            raise Fault(
                f"{self._path}: y_train goes up to {there[-1]:,} and has no image of class "
                f"{', '.join(map(str, missing))}; labels are the integers from 0, none left out, "
                "and at least two (np.unique(labels, return_inverse=True)[1] makes them so)"
            )
        return len(there)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """From the array class_names, else the labels as text."""
        if "class_names" not in self._archive.names:
            return tuple(map(str, range(self.classes)))
        names = tuple(map(str, self._archive.array("class_names").ravel()))
        if len(names) != self.classes:
            raise Fault(
                f"{self._path}: {len(names)} class_names for {counted(self.classes, 'class')}"
            )
        return names

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`."""
        return self.splits[name]

    @cached_property
    def _train(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return self._images("train")

    def _source(self, part: str) -> Memory:
        from nascli.data.split import Memory

        images, labels = self._train if part == "train" else self._images(part)
        if images.shape[1:] != self._train[0].shape[1:] or labels.max() >= self.classes:
            raise Fault(
                f"{self._path}: x_{part} has images {images.shape[1:]} and labels up to "
                f"{labels.max():,}; x_train has {self._train[0].shape[1:]} and "
                f"{counted(self.classes, 'class')}"
            )
        if part != "train":
            self._check_range(part, images)
        return Memory(images, labels)

    def _check_range(self, part: str, images: NDArray[Any]) -> None:
        """Raises a Fault where a split is in other units, so that a network would see nothing."""
        (low, high), (least, most) = (
            (float(x.min()), float(x.max())) for x in (self._train[0], images)
        )
        spans = [max(high - low, 1e-12), max(most - least, 1e-12)]
        alike = 1 / _SCALE < spans[1] / spans[0] < _SCALE
        if alike or least == most:  # one colour all over tells nothing of the units
            return
        raise Fault(
            f"{self._path}: x_{part} goes from {least:g} to {most:g}, x_train from {low:g} to "
            f"{high:g}; give both in the same units"
        )

    def _images(self, part: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Images (N, H, W, C), uint8 or float32, and labels (N,)."""
        where = f"{self._path}: x_{part}"
        images = self._archive.array(f"x_{part}")
        labels = self._labels(part)
        if not images.ndim or not len(labels) or len(images) != len(labels):
            count = len(images) if images.ndim else "no"
            raise Fault(f"{where} has {count} images, y_{part} has {len(labels)} labels")
        return _channels_last(_numbers(images, where), self._layout, where), labels

    def _labels(self, part: str) -> NDArray[np.int64]:
        labels = self._archive.array(f"y_{part}")
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        kind = f"{self._path}: y_{part} is {labels.dtype} {labels.shape}"
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise Fault(f"{kind}; it must be N integers of at least 0, one for each image")
        if len(labels) and int(labels.min()) < 0:
            raise Fault(f"{kind} and goes down to {labels.min():,}; it must be N integers of at "
                        "least 0")  # fmt: skip
        if len(labels) and int(labels.max()) >= 2**31:
            raise Fault(
                f"{self._path}: y_{part} goes up to {labels.max():,}; labels are the integers "
                "from 0, none left out"
            )
        whole: NDArray[np.int64] = labels.astype(np.int64)
        return whole


def _numbers(images: NDArray[Any], where: str) -> NDArray[Any]:
    """The images as uint8 or finite float32."""
    if images.dtype == np.uint8 or not images.size:
        return images
    if images.dtype.kind == "b":
        bright: NDArray[np.uint8] = np.where(images, np.uint8(255), np.uint8(0))
        return bright
    if images.dtype.kind not in "iuf":
        raise Fault(f"{where} is {images.dtype}; images are whole numbers or float")
    if images.dtype.kind in "iu" and int(images.min()) >= 0 and int(images.max()) <= 255:
        return images.astype(np.uint8)
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    if not np.isfinite(images).all():
        raise Fault(f"{where} holds numbers that are not finite, or too large for 32 bits")
    return images


def _channels_last(images: NDArray[Any], layout: str | None, where: str) -> NDArray[Any]:
    """The images as (N, H, W, C)."""
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise Fault(f"{where} has shape {images.shape}; images are (N, H, W, C), or (N, C, H, W)")
    if images.ndim == 3:
        return images[..., None]
    last, first = (images.shape[axis] in _CHANNELS for axis in (3, 1))
    if layout is None and last == first:
        raise Fault(f"{where} has shape {images.shape}; set data.layout=NHWC or data.layout=NCHW")
    if layout == "NHWC" or (layout is None and last):
        return images
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))
