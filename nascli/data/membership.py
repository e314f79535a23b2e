"""Which image was in which split: what a run keeps of its data, and how it is compared later."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core import plain
from nascli.core.fault import Fault
from nascli.core.regular import contents
from nascli.data.keys import Keys

FILE = "splits.json"  # what a run folder calls it
_FORMAT = 1
_MOST_BYTES = 1_000_000_000
_SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Membership:
    """The keys (`nascli.data.keys`) of the images in each split.

    Args:
        fingerprint: the same where all splits hold the same images in the same classes, in any
            order and wherever they lie.
        drawn: rule, seed, valid_fraction and test_fraction of what was held out.
        keys: of "train", "valid" and "test".
        tested_before: of images that earlier runs have tested on and that are in no test split now.
    """

    fingerprint: str
    drawn: tuple[int, int, float, float]
    keys: Mapping[str, Keys]
    tested_before: Keys = field(default_factory=lambda: np.empty(0, np.uint64))

    @property
    def tested(self) -> Keys:
        """All that this run and those before it have tested on."""
        return np.union1d(self.keys["test"], self.tested_before)

    def text(self) -> str:
        """As JSON of a few lines: 11 characters an image."""
        names = ("rule", "seed", "valid_fraction", "test_fraction")
        data = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "drawn": dict(zip(names, self.drawn, strict=True)),
            "images": {name: len(keys) for name, keys in self.keys.items()},
            "keys": {name: _packed(keys) for name, keys in self.keys.items()},
            "tested_before": _packed(self.tested_before),
        }
        return json.dumps(data, indent=1) + "\n"

    def check_same(self, now: Membership, where: str) -> None:
        """Raises a Fault that says what differs if `now` are not the images of `where`."""
        if self.fingerprint != now.fingerprint:
            raise Fault(
                f"the images are not those of {where}: {self.difference(now)}; put them back as "
                "they were, or start a new run"
            )

    def difference(self, now: Membership) -> str:
        """What has become of the images, in words."""
        one, other = (np.unique(np.concatenate(list(m.keys.values()))) for m in (self, now))
        gone, new = len(np.setdiff1d(one, other)), len(np.setdiff1d(other, one))
        if gone or new:
            return f"of {len(one):,} images {gone:,} are gone or changed, and {new:,} are new"
        moved = sum(len(np.setdiff1d(now.keys[name], self.keys[name])) for name in _SPLITS)
        if moved:
            return f"{moved:,} images have changed splits"
        return "they have other classes, another size or other copies"


def read(file: Path) -> Membership | None:
    """What `Membership.text` wrote; None if there is no such file.

    Raises:
        Fault: it is damaged.
    """
    try:
        data = contents(file, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Fault(f"cannot read '{file}': {error.strerror}") from error
    try:
        return _from_json(plain.parsed(data))
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise Fault(
            f"'{file}' is damaged ({type(error).__name__}: {str(error)[:100]}); it says which "
            "images the run has tested on, so copy it back, or start a new run"
        ) from error


def _from_json(said: Any) -> Membership:
    if not isinstance(said, dict) or said["format"] != _FORMAT:
        raise ValueError(f"it is not of format {_FORMAT}")
    drawn, print_ = said["drawn"], said["fingerprint"]
    numbers = tuple(drawn[k] for k in ("rule", "seed", "valid_fraction", "test_fraction"))
    if not isinstance(print_, str) or not all(type(number) in (int, float) for number in numbers):
        raise TypeError("fingerprint is text, and what was drawn are numbers")
    rule, seed, valid, test = numbers
    keys = {name: _keys(said["keys"][name]) for name in _SPLITS}
    for name, found in keys.items():
        if len(found) != said["images"][name]:
            raise ValueError(f"{name} has {len(found)} keys for {said['images'][name]!r} images")
    return Membership(print_, (rule, seed, valid, test), keys, _keys(said["tested_before"]))


def _keys(packed: str) -> Keys:
    data = base64.b64decode(packed, validate=True)
    if len(data) % 8:
        raise ValueError("a key is incomplete")
    return np.frombuffer(data, "<u8").astype(np.uint64)


def _packed(keys: Keys) -> str:
    return base64.b64encode(np.sort(keys).astype("<u8").tobytes()).decode()


def fingerprint(about: str, splits: Mapping[str, tuple[Keys, NDArray[np.int64]]]) -> str:
    """The same for the same images with the same labels in each split, in any order."""
    found = hashlib.blake2b(about.encode(), digest_size=16)
    for name, (keys, labels) in splits.items():
        order = np.lexsort((labels, keys))
        found.update(f"\0{name}\0{len(keys)}\0".encode())
        found.update(keys[order].astype("<u8").tobytes())
        found.update(labels[order].astype("<i8").tobytes())
    return found.hexdigest()
