"""A seal for state.pt, by which one that holds something else than was saved is known.

The file's own checksums show damage. They do not show that somebody has loaded it, put something
else in and saved it again, and what a part makes of that would show at its first use, if at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any


def seal(data: Mapping[str, Any]) -> str:
    """The same for the same plain values and the same kinds of tensors.

    What stands in the tensors is left to the checksums.
    """
    found = hashlib.blake2b(digest_size=16)
    for text in _told(data):
        found.update(text.encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _told(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        yield f"{{{len(node)}"
        for key, value in node.items():
            yield repr(key)
            yield from _told(value)
    elif isinstance(node, (list, tuple)):
        yield f"{'[' if isinstance(node, list) else '('}{len(node)}"
        for value in node:
            yield from _told(value)
    elif hasattr(node, "dtype"):
        yield f"{node.dtype}{tuple(node.shape)};"
    else:
        yield f"{node!r};"
