"""A fault of the user's input: one clear message, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Iterable


class Fault(Exception):  # noqa: N818 - it is the user's, not ours
    """What is wrong, the value got, what is allowed and the nearest fix, in one message."""


class OfDataError(Fault):
    """A fault of the images, whichever component has asked for them first."""


class Stopped(Fault):
    """A fault that only shows under way: what was found before it stands, and is reported."""


_MEANT = {
    "gpu": "cuda",
    "nvidia": "cuda",
    "cuda:0": "cuda",
    "darts": "cell",
    "nats": "nasbench201",
    "nb201": "nasbench201",
    "genetic": "evolution",
    "ea": "evolution",
    "enas": "reinforce",
    "rl": "reinforce",
    "bayesian": "bananas",
    "bo": "bananas",
    "mnist": "fashion_mnist",
    "images": "image_folder",
    "folder": "image_folder",
    "npz": "arrays",
    "numpy": "arrays",
    "proxy": "zero_cost",
    "supernet": "one_shot",
    "parallel": "processes",
    "multiprocessing": "processes",
}
"""What others call an option, where its letters do not tell."""


def first_line(error: BaseException) -> str:
    """What an error says, in a line: PyTorch's go on with the frames of a stack."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else ""


def unknown(what: str, value: object, allowed: Iterable[str], meant: str | None = None) -> str:
    """Says that `value` is not an allowed `what`, lists what is, and names the nearest.

    `meant` is what to name in its place; "" for nothing.

    >>> unknown("strategy", "dart", ["darts", "random"])
    "strategy 'dart' is not known; allowed: darts, random; did you mean 'darts'?"
    """
    import difflib  # only ever needed on the way out

    names = sorted(set(allowed))
    same = str(value).lower().replace("-", "_")
    if meant is None and same in names:
        meant = same
    if meant is None and _MEANT.get(str(value).lower()) in names:
        meant = _MEANT[str(value).lower()]
    begun = [name for name in names if name.startswith(f"{same}_")]
    if meant is None and len(begun) == 1:
        meant = begun[0]
    near = difflib.get_close_matches(str(value), names, n=5, cutoff=0.5)
    near.sort(key=lambda name: sorted(name) != sorted(str(value)))  # swapped letters come first
    nearest = near[0] if near and meant is None else meant
    hint = f"; did you mean '{nearest}'?" if nearest else ""
    return f"{what} '{value}' is not known; allowed: {', '.join(names) or 'nothing'}{hint}"
