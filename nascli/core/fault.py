"""A fault of the user's input: one clear message, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Iterable


class Fault(Exception):  # noqa: N818 - it is the user's, not ours
    """What is wrong, the value got, what is allowed and the nearest fix, in one message."""


class Stopped(Fault):
    """A fault that only shows under way: what was found before it stands, and is reported."""


def unknown(what: str, value: object, allowed: Iterable[str]) -> str:
    """Says that `value` is not an allowed `what`, lists what is, and names the nearest.

    >>> unknown("strategy", "dart", ["darts", "random"])
    "strategy 'dart' is not known; allowed: darts, random; did you mean 'darts'?"
    """
    import difflib  # only ever needed on the way out

    names = sorted(allowed)
    near = difflib.get_close_matches(str(value), names, n=5, cutoff=0.5)
    near.sort(key=lambda name: sorted(name) != sorted(str(value)))  # swapped letters come first
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"{what} '{value}' is not known; allowed: {', '.join(names) or 'nothing'}{hint}"
