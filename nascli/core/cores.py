"""The processor's cores."""

import os


def usable() -> int:
    """How many of them this process may use, which a container or a queue may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
