"""Whether torchrun has started this process, as one of several that do the same together."""

from __future__ import annotations

import os


def place() -> tuple[int, int]:
    """Which one this is, from 0, and how many there are: (0, 1) without torchrun."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def local() -> int:
    """Which one it is on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))
