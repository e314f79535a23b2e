"""Numbers and commands in sentences."""

from __future__ import annotations

import shlex


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where that is right.

    >>> counted(1, "epoch"), counted(1200, "class")
    ('1 epoch', '1,200 classes')
    """
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"


def command(verb: str, *words: str) -> str:
    """The command line of `nas verb`, as a shell takes it.

    >>> command("search", "resume=my runs/1")
    "nas search 'resume=my runs/1'"
    """
    return shlex.join(["nas", verb, *words])
