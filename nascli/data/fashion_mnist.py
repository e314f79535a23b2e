"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747)."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.core.regular import contents
from nascli.data.holdout import Holdout
from nascli.data.splits import Splits
from nascli.data.values import checked

if TYPE_CHECKING:
    from nascli.data.split import Memory, Split
    from nascli.data.task import SplitName

_MOST_BYTES = 16 + 60_000 * 28 * 28  # of the largest of its files, unpacked


class FashionMNIST:
    """70,000 grey images of 28x28 pixels in 10 classes; the published 10,000 are the test split.

    `path` holds the four published files, packed (.gz) or not, or torchvision's folder
    FashionMNIST/raw with them; nothing is downloaded unless `download` says so.
    """

    name = "fashion_mnist"
    input_shape = (1, 28, 28)
    classes = 10
    flips = True
    class_names = (
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
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
        sources = {
            "train": partial(_read, path, "train", download),
            "test": partial(_read, path, "t10k", download),
        }
        holdout = Holdout(valid_fraction, 0, split_seed, limit_train, split_rule)
        self.splits = Splits(sources, holdout, flips=self.flips)

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`."""
        return self.splits[name]


def _read(path: str, part: str, download: bool) -> Memory:
    root = Path(path).expanduser()
    if download:
        _download(root)
    files = [_find(root, f"{part}-{kind}") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    from nascli.data.split import Memory  # torch, which missing files do without

    images, labels = (read_idx(file) for file in files)
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or labels.max() > 9:
        raise Fault(f"{files[0]} and {files[1]} do not hold Fashion-MNIST's images and labels")
    return Memory(images[..., None], labels.astype(np.int64))


def _download(root: Path) -> None:
    from torchvision import datasets

    try:
        with contextlib.redirect_stdout(sys.stderr):
            datasets.FashionMNIST(root, download=True)
    except (RuntimeError, OSError) as error:
        raise Fault(f"cannot download Fashion-MNIST to data.path={root}: {error}") from error


def _find(root: Path, name: str) -> Path:
    for folder in (root, root / "FashionMNIST" / "raw"):
        for file in (folder / name, folder / f"{name}.gz"):
            if file.is_file():
                return file
    raise Fault(
        f"no {name} or {name}.gz in data.path={root} or in its FashionMNIST/raw; put the four "
        "published files there, or let data.download=true fetch them"
    )


def read_idx(file: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of bytes, packed with gzip or not (format: LeCun's MNIST page).

    Raises:
        Fault: it is no such file.
    """
    try:
        data = contents(file, _MOST_BYTES)
        if file.suffix == ".gz":
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(_MOST_BYTES + 1)  # a small file may unpack to a huge one
    except (OSError, EOFError, zlib.error) as error:
        raise Fault(f"cannot read {file}: {error}") from error
    if len(data) > _MOST_BYTES:
        raise Fault(f"{file} holds more than {_MOST_BYTES:,} bytes; Fashion-MNIST has fewer")
    # Two zero bytes, 8 for unsigned bytes, the number of axes; then each size in four bytes.
    axes = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    header = 4 + 4 * axes
    if not axes or len(data) < header:
        raise Fault(f"{file} is not an IDX file of bytes")
    shape = [int(size) for size in np.frombuffer(data[4:header], ">u4")]
    if len(data) != header + math.prod(shape):
        raise Fault(f"{file} should hold {shape} bytes, but has {len(data) - header}")
    pixels: NDArray[np.uint8] = np.frombuffer(data, np.uint8)[header:].reshape(shape).copy()
    return pixels
