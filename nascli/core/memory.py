"""Memory of the process, which the time of passes and of steps depends on."""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_KEPT = 2**30  # bytes
_AT_MOST = 2**25  # bytes that blocks may have to be kept, before glibc 2.35


@cache
def keep() -> None:
    """Has the C library keep what is freed for the next pass or step from now on, if it is glibc.

    By default it gives large blocks back to the system, or does not, by the sizes that the process
    happens to have freed before. Each pass then has its pages mapped and cleared anew, in one
    process and not in another (benchmarks/kept_memory.py).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library
        return
    if mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_THRESHOLD, _AT_MOST):  # 0: refused
        mallopt(_TRIM_THRESHOLD, _KEPT)
