"""The splits of a data set by name, and what is to be said and remembered of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nascli.core.fault import Fault, OfDataError
from nascli.core.words import counted
from nascli.data.holdout import Holdout, Rows
from nascli.data.membership import Membership, fingerprint
from nascli.data.places import NOT_TEST, OPEN, TEST, TRAIN, VALID, Places, too_small

if TYPE_CHECKING:
    from nascli.data.keys import Keys
    from nascli.data.split import Source, Split

SPLITS = ("train", "valid", "test")
_LOOKED_AT = 2000  # images of a published split that are compared with those to train on
_SCALE = 16.0  # times the contrast of another split, which no photograph explains


class Splits:
    """The splits of a data set by name, each read when first asked for.

    `sources` reads what is published: "train", and "valid" and "test" where they exist; the other
    splits are held out of "train". `notices` are lines on what the user ought to know of the data;
    more come while splits are read and checked.
    """

    def __init__(
        self,
        sources: Mapping[str, Callable[[], Source]],
        holdout: Holdout,
        *,
        flips: bool,
        notices: Sequence[str] = (),
    ) -> None:
        self._sources, self._flips = sources, flips
        self.holdout = holdout
        self.notices = list(notices)
        self._read: dict[str, Split] = {}
        self._kept: Membership | None = None

    def __getitem__(self, name: str) -> Split:
        if name not in self._read:
            try:
                self._read[name] = self._split(name)
            except Fault as fault:
                raise OfDataError(str(fault)) from fault
        return self._read[name]

    @property
    def read(self) -> bool:
        """Whether anything was read of the images yet."""
        return bool(self._read) or "_train" in vars(self)

    def holds_out(self, name: str) -> bool:
        """Whether there are images for a split; known before any is read."""
        fraction = {"valid": self.holdout.valid_fraction}.get(name, 1.0)
        return name in self._sources or fraction > 0

    def keep(self, before: Membership) -> None:
        """Makes sure that no image of the test split of `before` is trained or validated on.

        Nor is one tested on that was trained or validated on then. With the same fractions and
        seed every image that was there stays in its split. To be called before a split is read.
        """
        assert not self._read, "splits are kept before they are read"
        self._kept = before
        vars(self).pop("_rows", None)

    def check(self, names: Sequence[str] = SPLITS) -> None:
        """Opens and checks every image of these splits, as cheaply as that goes.

        Raises:
            Fault: one cannot be read or does not fit, or a split is of another scale.
        """
        from nascli.data.split import survey

        for name in names:
            self[name].source.check()
        train = self["train"]
        for name in ("valid", "test"):
            if name not in self._sources or name not in names:
                continue
            found = survey(self[name].source, _LOOKED_AT)
            self._plain(name, found.plain, found.images)
            contrast = float((found.std / train.std).log().mean().exp())
            shift = float(((found.mean - train.mean) / train.std).abs().max())
            if not 1 / _SCALE < contrast < _SCALE and found.plain < found.images:
                raise Fault(
                    f"the {name} images have {contrast:.3g} times the contrast of those to train "
                    f"on (mean {_numbers(found.mean)} against {_numbers(train.mean)}): give all "
                    "splits in the same units"
                )
            if shift > 1 or not 1 / 3 < contrast < 3:
                self._notice(
                    f"the {name} images look unlike those to train on: mean "
                    f"{_numbers(found.mean)} against {_numbers(train.mean)}, deviation "
                    f"{_numbers(found.std)} against {_numbers(train.std)}"
                )

    def membership(self, about: str) -> Membership:
        """Which image is in which split; `about` is what else the fingerprint depends on."""
        parts = {name: self[name].source for name in SPLITS}
        held = self.holdout
        before = np.empty(0, np.uint64)
        if self._kept is not None:
            before = np.setdiff1d(self._kept.tested, parts["test"].keys)
            self._compare(self._kept, np.concatenate([source.keys for source in parts.values()]))
        return Membership(
            tested_before=before,
            fingerprint=fingerprint(
                about, {name: (s.keys, s.labels.numpy()) for name, s in parts.items()}
            ),
            drawn=(held.split_rule, held.split_seed, held.valid_fraction, held.test_fraction),
            keys={name: source.keys for name, source in parts.items()},
        )

    def _compare(self, before: Membership, now: Keys) -> None:
        """Says how many images of the earlier run are gone, and how many are new."""
        tested, gone = before.keys["test"], len(np.setdiff1d(before.keys["test"], now))
        if gone:
            self._notice(
                f"{gone:,} of {len(tested):,} images that the earlier run tested on are gone"
            )
        others = np.union1d(before.keys["train"], before.keys["valid"])
        gone = len(np.setdiff1d(others, np.union1d(now, self._train.keys)))  # or else left out
        new = len(np.setdiff1d(now, np.union1d(others, before.tested)))
        if gone or new:
            self._notice(
                f"the images are not those of the earlier run: of {len(others):,} that it trained "
                f"and validated on {gone:,} are gone or changed, and {new:,} are new"
            )

    def without(self, classes: int) -> dict[str, list[int]]:
        """Split -> the classes of which it has no image; none of a split that is empty."""
        return {
            name: np.flatnonzero(
                np.bincount(self[name].labels.numpy(), minlength=classes) == 0
            ).tolist()
            for name in SPLITS
            if len(self[name])
        }

    @property
    def small(self) -> list[int]:
        """Classes with too few different images to be in every split."""
        wanted = self._wanted
        if not wanted or self.holdout.split_rule == 1:
            return []
        labels = self._train.labels.numpy()
        return list(too_small(labels, self._train.keys, self.holdout.shares(wanted)))

    def _split(self, name: str) -> Split:
        if name not in SPLITS:
            raise KeyError(name)
        rows = self._rows.get(name)
        source = self._sources[name]() if rows is None else self._train.take(rows)
        from nascli.data.split import Split, survey  # torch, which missing images do without

        if name == "train":
            found = survey(source)
            self._plain(name, found.plain, found.images)
            return Split(source, found.mean, found.std, self._flips)
        # What is held out is normalised by what is trained on, and not even looked at.
        return Split(source, self["train"].mean, self["train"].std, self._flips)

    @cached_property
    def _train(self) -> Source:
        return self._sources["train"]()

    @property
    def _wanted(self) -> list[str]:
        return [name for name in ("valid", "test") if name not in self._sources]

    @cached_property
    def _rows(self) -> dict[str, Rows]:
        labels = self._train.labels.numpy()
        if self.holdout.split_rule == 1:
            return self._barred(self.holdout.divide(labels, self._wanted))
        if not self._wanted and self._kept is None and self.holdout.limit_train is None:
            return {}  # nothing is held out
        keys = self._train.keys
        return self.holdout.divide(labels, self._wanted, keys, self._known(keys))

    def _barred(self, rows: dict[str, Rows]) -> dict[str, Rows]:
        """Rows of rule 1 without those that an earlier run had on the other side of the test."""
        if self._kept is None:
            return rows
        trained = np.union1d(self._kept.keys["train"], self._kept.keys["valid"])
        found = {}
        for name, own in rows.items():
            other = trained if name == "test" else self._kept.tested
            found[name] = own[~np.isin(self._train.keys[own], other)]
            left_out = len(own) - len(found[name])
            if left_out:
                self._notice(
                    f"left out: {counted(left_out, f'{name} image')} that the earlier run has "
                    f"{'trained' if name == 'test' else 'tested'} on"
                )
            if not len(found[name]):
                raise Fault(f"no {name} image is left; take data.split_rule=2")
        return found

    def _known(self, keys: Keys) -> Places | None:
        """Places that an earlier run has settled."""
        if self._kept is None:
            return None
        held, before, wanted = self.holdout, self._kept, self._wanted
        same = before.drawn == (
            held.split_rule, held.split_seed, held.valid_fraction, held.test_fraction,
        )  # fmt: skip
        known = np.full(len(keys), OPEN, np.int8)
        for name, place in (("train", TRAIN), ("valid", VALID)):
            rows = np.isin(keys, before.keys[name])
            known[rows] = place if same and (place == TRAIN or name in wanted) else NOT_TEST
        tested = np.isin(keys, before.tested)
        known[tested] = TEST
        if "test" not in wanted and tested.any():
            self._notice(
                f"left out: {counted(int(tested.sum()), 'image')} to train on that the earlier run "
                "has tested on"
            )
        return known

    def _plain(self, name: str, plain: int, images: int) -> None:
        if plain:
            self._notice(
                f"{plain:,} of {images:,} {name} images have one colour all over; if that is not "
                "so in the files, save them with 8 bits a channel"
            )

    def _notice(self, line: str) -> None:
        if line not in self.notices:
            self.notices.append(line)


def _numbers(values: object) -> str:
    return ", ".join(f"{value:.3g}" for value in values.tolist())  # type: ignore[attr-defined]
