"""Looks at the settings of a data set: what is wrong with each, in one message for all."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nascli.core.fault import Fault


class Values:
    """Collects what is wrong with settings; each method says whether one is right."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def whole(
        self, name: str, value: object, least: int, most: int | None = None, *, null: bool = False
    ) -> bool:
        """An integer of at least `least`; with `null` nothing at all too."""
        good = isinstance(value, int) and not isinstance(value, bool)
        if (null and value is None) or (
            good and isinstance(value, int) and least <= value and (most is None or value <= most)
        ):
            return True
        bound = f"of at least {least}" if most is None else f"from {least} to {most:,}"
        return self._wrong(name, value, f"{'null or ' if null else ''}an integer {bound}")

    def number(self, name: str, value: object, least: float = 0.0) -> bool:
        """A finite number of at least `least`."""
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if good and isinstance(value, (int, float)) and least <= value < math.inf:
            return True
        return self._wrong(name, value, f"a number of at least {least:g}")

    def fraction(self, name: str, value: object, *, zero: bool = False) -> bool:
        """A number between 0 and 1, or with `zero` 0 itself."""
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if good and isinstance(value, (int, float)) and (0 < value < 1 or (zero and value == 0)):
            return True
        bounds = "be 0 or lie" if zero else "lie"
        excluded = "1 excluded" if zero else "both excluded"
        self.faults.append(
            f"data.{name} is {value!r}; it must {bounds} between 0 and 1, {excluded} (such as 0.1)"
        )
        return False

    def switch(self, name: str, value: object) -> bool:
        """True or false."""
        return isinstance(value, bool) or self._wrong(name, value, "true or false")

    def one_of(self, name: str, value: object, allowed: Mapping[str, object]) -> bool:
        """One of the values; `allowed` says what each is called."""
        alike = [v for v in allowed.values() if type(v) is type(value) and v == value]
        return bool(alike) or self._wrong(name, value, " or ".join(allowed))

    def path(self, name: str, value: object) -> bool:
        """The name of a file or folder."""
        good = (
            isinstance(value, (str, Path)) and str(value).strip() != "" and "\0" not in str(value)
        )
        return good or self._wrong(name, value, "the name of a file or folder")

    def fits(self, what: str, size: int) -> bool:
        """Whether so many bytes go into this machine's memory."""
        there = memory()
        if size <= there:
            return True
        self.faults.append(
            f"{what} take {gigabytes(size)} of memory; this machine has {gigabytes(there)}"
        )
        return False

    def _wrong(self, name: str, value: object, allowed: str) -> bool:
        self.faults.append(f"data.{name} is {value!r:.100}; it must be {allowed}")
        return False


@contextmanager
def checked() -> Iterator[Values]:
    """Raises one Fault in the end with all that was found."""
    values = Values()
    yield values
    if values.faults:
        raise Fault("; ".join(values.faults))


def memory() -> int:
    """Bytes of memory in this machine; a terabyte where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 10**12


def gigabytes(size: int) -> str:
    """Bytes as people say them."""
    return f"{size / 1e9:,.1f} GB"
