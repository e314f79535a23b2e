"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where that is right.

    >>> counted(1, "epoch"), counted(1200, "class")
    ('1 epoch', '1,200 classes')
    """
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"
