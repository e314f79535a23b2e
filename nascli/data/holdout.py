"""Which images are trained on, which are held out, drawn class by class."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.data.keys import Keys
from nascli.data.places import Places, Shares, limited, places
from nascli.data.values import checked

Rows = NDArray[np.int64]
RULES = (1, 2)


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

    `test_fraction` is the share of all images, `valid_fraction` the share of what then is left; 0
    leaves the validation split empty, for trainings by which nothing is chosen.
    `limit_train` caps the images left for training and validation together (for small machines).
    `split_seed` fixes the draw: it is the data's, not the search's, so that searches compare.
    `split_rule` is 2 (`nascli.data.places`), or 1, which earlier versions drew by: the order of
    the files decides there, so that one file more or less moves others.

    Raises:
        Fault: a value is out of its range; all such values are listed.
    """

    valid_fraction: float
    test_fraction: float = 0.0
    split_seed: int = 0
    limit_train: int | None = None
    split_rule: int = 2

    def __post_init__(self) -> None:
        with checked() as values:
            values.fraction("valid_fraction", self.valid_fraction, zero=True)
            values.fraction("test_fraction", self.test_fraction, zero=True)
            values.whole("split_seed", self.split_seed, 0)
            values.whole("limit_train", self.limit_train, 2, null=True)
            values.one_of("split_rule", self.split_rule, {str(rule): rule for rule in RULES})

    def shares(self, wanted: Collection[str]) -> Shares:
        """What rule 2 needs to know where `wanted` ("valid", "test") are held out."""
        return Shares(
            self.valid_fraction if "valid" in wanted and self.valid_fraction else None,
            self.test_fraction if "test" in wanted else None,
            self.split_seed,
        )

    def divide(
        self,
        labels: NDArray[np.int64],
        wanted: Collection[str],
        keys: Keys | None = None,
        known: Places | None = None,
    ) -> dict[str, Rows]:
        """Rows of "train" and of each of `wanted` ("valid", "test"): disjoint and sorted.

        Args:
            labels: the class of every image.
            wanted: what is held out.
            keys: `nascli.data.keys` of every image, which rule 2 needs.
            known: places that are settled beforehand (`nascli.data.places`), for rule 2.

        Raises:
            Fault: a split would be empty.
        """
        if self.split_rule == 1:
            rows = self._divide_by_order(labels, wanted)
        else:
            assert keys is not None
            shares = self.shares(wanted)
            placed = places(labels, keys, shares, known)
            rows = limited(placed, labels, keys, shares, self.limit_train)
        rows = {name: np.sort(rows[name]) for name in ("train", *wanted)}
        for name, chosen in rows.items():
            if not len(chosen) and not (name == "valid" and self.valid_fraction == 0):
                raise Fault(
                    f"too few images ({len(labels)}): none is left for the {name} split; give "
                    "more images or other fractions (data.valid_fraction, data.test_fraction)"
                )
        return rows

    def _divide_by_order(
        self, labels: NDArray[np.int64], wanted: Collection[str]
    ) -> dict[str, Rows]:
        """Rule 1."""
        order = spread(labels, self.split_seed)
        tested = round(self.test_fraction * len(order)) if "test" in wanted else 0
        rest = order[tested:][: self.limit_train]
        held = round(self.valid_fraction * len(rest)) if "valid" in wanted else 0
        return {"train": rest[held:], "valid": rest[:held], "test": order[:tested]}
