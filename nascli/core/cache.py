"""Where a user's own cache is."""

from __future__ import annotations

import os
from pathlib import Path


def folder(name: str) -> Path | None:
    """The folder `name` of our cache, which need not be there; None for a user without a home.

    A relative XDG_CACHE_HOME is none, as its specification has it.
    """
    said = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        base = said if said.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "nascli" / name
