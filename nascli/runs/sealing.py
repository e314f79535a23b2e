"""A seal for state.pt, by which one that holds something else than was saved is known.

What a part makes of something else would show at its first use, if at all, and torch reads a file
whatever its checksums say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any


def seal(data: Mapping[str, Any]) -> str:
    """The same for the same plain values and tensors, wherever those lie."""
    found = hashlib.blake2b(digest_size=16)
    for part in _told(data):
        found.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
    return found.hexdigest()


def _told(node: Any) -> Iterator[Any]:
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
        import torch

        yield f"{node.dtype}{tuple(node.shape)};"
        yield node.detach().cpu().reshape(-1).view(torch.uint8).numpy()
    else:
        yield f"{node!r};"
