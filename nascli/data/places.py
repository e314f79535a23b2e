"""Where each image goes, by its content: rule 2 of the splits.

Within a class the images stand in the order of a hash of content and seed. The test split takes
from one end of that order, the validation split from the other, and what is between is trained on.
So an image that comes or goes moves no other one but the last before a boundary, if the fraction
then asks for it. Copies of one image stay together; those that stand in several classes are placed
by their hash alone, which no other image changes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascli.data.keys import Keys

Rows = NDArray[np.int64]
Labels = NDArray[np.int64]
Places = NDArray[np.int8]

TRAIN, VALID, TEST, OPEN, NOT_TEST = 0, 1, 2, 3, 4
"""Places of an image; OPEN is decided by the hash, NOT_TEST between the first two."""


@dataclass(frozen=True)
class Shares:
    """What is held out, as `nascli.data.holdout.Holdout` has it; None: no such split is wanted."""

    valid: float | None
    test: float | None
    seed: int

    @property
    def least(self) -> int:
        """How many images a class needs to be in every split."""
        return 1 + (self.valid is not None) + (self.test is not None)


def places(labels: Labels, keys: Keys, shares: Shares, known: Places | None = None) -> Places:
    """TRAIN, VALID or TEST for every image; `known` holds what is settled beforehand."""
    ranks = mixed(keys, shares.seed)
    settled = np.full(len(labels), OPEN, np.int8) if known is None else known.copy()
    _across_classes(labels, ranks, shares, settled)
    order = np.lexsort((ranks, labels))
    ends = np.flatnonzero(np.diff(labels[order], append=-1)) + 1
    begin = 0
    for end in ends.tolist():
        rows = order[begin:end]
        settled[rows] = _of_class(ranks[rows], settled[rows], shares)
        begin = end
    return settled


def mixed(keys: Keys, seed: int) -> Keys:
    """A hash of each key and the seed (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        return _finalised(
            keys ^ _finalised(np.uint64(seed % 2**64) + np.uint64(0x9E3779B97F4A7C15))
        )


def _finalised(value: Keys | np.uint64) -> Keys:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed_value: Keys = value ^ (value >> np.uint64(31))
    return mixed_value


def _across_classes(labels: Labels, ranks: Keys, shares: Shares, settled: Places) -> None:
    """Settles the images whose copies stand in several classes."""
    order = np.lexsort((labels, ranks))
    same = ranks[order[1:]] == ranks[order[:-1]]
    torn = order[1:][same & (labels[order[1:]] != labels[order[:-1]])]
    rows = np.flatnonzero(np.isin(ranks, ranks[torn]))
    test = shares.test or 0.0
    valid = (shares.valid or 0.0) * (1 - test)
    height = ranks[rows] / 2.0**64
    by_hash = np.where(height < test, TEST, np.where(height >= 1 - valid, VALID, TRAIN))
    barred = np.where(height >= 1 - valid, VALID, TRAIN)
    before = settled[rows]
    settled[rows] = np.where(before == OPEN, by_hash, np.where(before == NOT_TEST, barred, before))


def _of_class(ranks: Keys, settled: Places, shares: Shares) -> Places:
    """Of one class, in the order of `ranks`."""
    starts = np.flatnonzero(np.diff(ranks, prepend=ranks[:1] ^ np.uint64(1)))
    counts = np.diff(starts, append=len(ranks))  # copies of each content
    place = settled[starts].copy()
    whole = len(starts) >= shares.least
    for name, share in ((TEST, shares.test), (VALID, shares.valid)):
        if share is None:
            continue
        # The share is of what the splits before have left.
        of = len(ranks) if name == TEST else int(counts[place != TEST].sum())
        lacking = round(share * of) - int(counts[place == name].sum())
        free = np.flatnonzero((place == OPEN) | ((place == NOT_TEST) & (name == VALID)))
        free = free if name == TEST else free[::-1]
        # Each of the splits that come after keeps an image to take, if there are enough.
        after = (TRAIN,) if name == VALID or shares.valid is None else (TRAIN, VALID)
        lack = sum(not (place == other).any() for other in after)
        most = max(0, min(len(free), int((place >= OPEN).sum()) - lack))
        small = share > 0 and (whole or name == VALID) and not (place == name).any()
        taken = int(np.searchsorted(np.cumsum(counts[free]) - counts[free] / 2, lacking, "right"))
        place[free[: min(max(taken, int(small)), most)]] = name
    place[place >= OPEN] = TRAIN
    return np.repeat(place, counts)


def limited(
    placed: Places, labels: Labels, keys: Keys, shares: Shares, limit: int | None
) -> dict[str, Rows]:
    """Sorted rows of "train", "valid" and "test"; the first two hold at most `limit` together.

    A limit takes from each split, class by class in proportion; it moves nothing between them.
    """
    rows = {
        "train": np.flatnonzero(placed == TRAIN),
        "valid": np.flatnonzero(placed == VALID),
        "test": np.flatnonzero(placed == TEST),
    }
    if limit is None or limit >= len(rows["train"]) + len(rows["valid"]):
        return rows
    ranks = mixed(keys, shares.seed)
    valid = 0 if shares.valid is None else max(1, round(shares.valid * limit))
    for name, count in (("train", limit - valid), ("valid", valid)):
        own = rows[name]
        wanted = apportioned(np.bincount(labels[own]), count)
        order = own[np.lexsort((ranks[own], labels[own]))]
        sizes = np.bincount(labels[own])
        number = np.arange(len(own)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows[name] = np.sort(order[number < wanted[labels[order]]])
    return rows


def apportioned(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` shared out in proportion to `sizes` (largest remainders), one to each if it can."""
    total = int(sizes.sum())
    if count >= total:
        return sizes
    found: NDArray[np.int64]
    exact = sizes * (count / total)
    found = np.floor(exact).astype(np.int64)
    if count >= (sizes > 0).sum():
        found = np.maximum(found, sizes > 0)
    order = np.lexsort((np.arange(len(sizes)), -(exact - found)))
    while found.sum() < count:
        room = [i for i in order if found[i] < sizes[i]]
        found[room[: count - int(found.sum())]] += 1
    while found.sum() > count:  # ones that were given went beyond
        found[int(np.argmax(found))] -= 1
    return found


def too_small(labels: Labels, keys: Keys, shares: Shares) -> Collection[int]:
    """The classes with fewer different images than it takes to be in every split."""
    order = np.lexsort((keys, labels))
    new = np.ones(len(order), bool)
    same_label = labels[order[1:]] == labels[order[:-1]]
    new[1:] = ~(same_label & (keys[order[1:]] == keys[order[:-1]]))
    counts = np.bincount(labels[order[new]])
    return [int(label) for label in np.flatnonzero((counts > 0) & (counts < shares.least))]
