"""What a kind of file is to the fuzz."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Dump = Callable[[Any], bytes]


@dataclass(frozen=True)
class Kind:
    """Good files, as name and content, and all that is done with one.

    A damaged file lies in a folder that has, beside it, what `folder` puts there. `parse` and
    `dump` turn a file that holds plain data into that data and back, so that its nodes can be
    changed. `named`: whether a Fault has to name the file.
    """

    make: Callable[[], list[tuple[str, bytes]]]
    read: Callable[[Path], object]
    folder: Callable[[Path], None] = lambda _folder: None
    parse: Callable[[bytes], Any] | None = None
    dump: Dump = lambda data: data
    named: bool = True
