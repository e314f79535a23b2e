"""Handwritten digits, the data set that comes with scikit-learn.

Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI, its test set).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nascli.data.holdout import Holdout
from nascli.data.splits import Splits

if TYPE_CHECKING:
    from nascli.data.split import Memory, Split
    from nascli.data.task import SplitName


class Digits:
    """1,797 grey images of 8x8 pixels in 10 classes; the embedded file, no download."""

    name = "digits"
    input_shape = (1, 8, 8)
    classes = 10
    flips = False
    class_names = tuple("0123456789")

    def __init__(
        self,
        valid_fraction: float = 0.2,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        limit_train: int | None = None,
        split_rule: int = 2,
    ) -> None:
        holdout = Holdout(valid_fraction, test_fraction, split_seed, limit_train, split_rule)
        self.splits = Splits({"train": _read}, holdout, flips=self.flips)

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task.split`; all three are held out of the one published set."""
        return self.splits[name]


def _read() -> Memory:
    from nascli.data.split import Memory

    table = _table()
    # Pixels count the inked ones among 4x4, 0 to 16; 255 / 16 is no integer.
    images = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return Memory(images, table[:, -1].astype(np.int64))


def _table() -> NDArray[np.float64]:
    """Pixels and label, one image a row.

    From the file, where it is known to be: importing what reads it takes more than a second.
    """
    package = find_spec("sklearn")
    assert package is not None and package.origin is not None
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])
