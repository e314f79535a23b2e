"""Which images are trained on, which are held out, drawn class by class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault

if TYPE_CHECKING:
    from nascli.data.split import Source, Split

Rows = NDArray[np.int64]


def spread(labels: NDArray[np.int64], seed: int) -> Rows:
    """A random order in which any stretch holds every class in proportion.

    Image number r of a class with n, counted in a random order, stands at (r + u) / n with one
    random u for the class (systematic sampling). So a stretch with the share f of all images has
    f * n of the class, give or take one.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    place = np.empty(len(labels))
    for label, count in zip(classes, counts, strict=True):
        own = shuffled[labels[shuffled] == label]
        place[own] = (np.arange(count) + rng.random()) / count
    order: Rows = np.argsort(place, kind="stable").astype(np.int64)
    return order


@dataclass(frozen=True)
class Holdout:
    """What is held out of the images to train on, where nothing is published for it.

    `test_fraction` is the share of all images, `valid_fraction` the share of what then is left.
    `limit_train` caps the images left for training and validation together (for small machines).
    `split_seed` fixes the draw: it is the data's, not the search's, so that searches compare.

    Raises:
        Fault: a value is out of its range; all such values are listed.
    """

    valid_fraction: float
    test_fraction: float = 0.0
    split_seed: int = 0
    limit_train: int | None = None

    def __post_init__(self) -> None:
        faults = [
            f"data.{name} is {value!r}; it must lie between 0 and 1, both excluded"
            for name in ("valid_fraction", "test_fraction")
            if not _is_fraction(value := getattr(self, name), zero=name == "test_fraction")
        ]
        if self.limit_train is not None and not _is_count(self.limit_train):
            faults.append(
                f"data.limit_train is {self.limit_train!r}; it must be null or at least 2"
            )
        if not isinstance(self.split_seed, int) or self.split_seed < 0:
            faults.append(f"data.split_seed is {self.split_seed!r}; it must be an integer >= 0")
        if faults:
            raise Fault("; ".join(faults))

    def divide(self, labels: NDArray[np.int64], wanted: Collection[str]) -> dict[str, Rows]:
        """Rows of "train" and of each of `wanted` ("valid", "test"): disjoint and sorted.

        Raises:
            Fault: a split would be empty.
        """
        order = spread(labels, self.split_seed)
        tested = round(self.test_fraction * len(order)) if "test" in wanted else 0
        rest = order[tested:][: self.limit_train]
        held = round(self.valid_fraction * len(rest)) if "valid" in wanted else 0
        rows = {"train": rest[held:], "valid": rest[:held], "test": order[:tested]}
        rows = {name: np.sort(rows[name]) for name in ("train", *wanted)}
        for name, chosen in rows.items():
            if not len(chosen):
                raise Fault(
                    f"{len(order)} images are too few: none is left for the {name} split; give "
                    "more images or other fractions (data.valid_fraction, data.test_fraction)"
                )
        return rows


def _is_fraction(value: object, *, zero: bool) -> bool:
    return isinstance(value, (int, float)) and (0 < value < 1 or (zero and value == 0))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 2


class Splits:
    """The splits of a data set by name, each read when first asked for.

    `sources` reads what is published: "train", and "valid" and "test" where they exist; the other
    splits are held out of "train".
    """

    def __init__(
        self, sources: Mapping[str, Callable[[], Source]], holdout: Holdout, *, flips: bool
    ) -> None:
        self._sources, self._holdout, self._flips = sources, holdout, flips
        self._read: dict[str, Split] = {}

    def __getitem__(self, name: str) -> Split:
        if name not in self._read:
            self._read[name] = self._split(name)
        return self._read[name]

    def _split(self, name: str) -> Split:
        from nascli.data.split import Split, statistics

        if name not in ("train", "valid", "test"):
            raise KeyError(name)
        rows = self._rows.get(name)
        source = self._sources[name]() if rows is None else self._train.take(rows)
        if name == "train":
            return Split(source, *statistics(source), self._flips)
        # What is held out is normalised by what is trained on, and not even looked at.
        return Split(source, self["train"].mean, self["train"].std, self._flips)

    @cached_property
    def _train(self) -> Source:
        return self._sources["train"]()

    @cached_property
    def _rows(self) -> dict[str, Rows]:
        held_out = [name for name in ("valid", "test") if name not in self._sources]
        return self._holdout.divide(self._train.labels.numpy(), held_out)
