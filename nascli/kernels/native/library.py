"""The compiled kernels of this process, or why there are none."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nascli.kernels.native import compiling

_LOCK = threading.Lock()
_TRIED: list[tuple[ctypes.CDLL | None, str]] = []
_OFF: list[bool] = []


def load(told: Callable[[str], None] = lambda _text: None) -> ctypes.CDLL | None:
    """The library; compiled at first use, which `told` hears of, and then remembered.

    None: torch computes.
    """
    return None if _OFF else _tried(told)[0]


def why() -> str:
    """Why `load` gives None; empty if it does not."""
    return "kernels=torch" if _OFF else _tried(lambda _text: None)[1]


def named() -> str:
    """What computes: torch, or native and a hash of the sources that the library is made of."""
    return "torch" if load() is None else f"native {compiling.sources()}"


@contextmanager
def without() -> Iterator[None]:
    """Torch computes meanwhile, in the whole process."""
    _OFF.append(True)
    try:
        yield
    finally:
        _OFF.pop()


def _tried(told: Callable[[str], None]) -> tuple[ctypes.CDLL | None, str]:
    with _LOCK:
        if not _TRIED:
            try:
                _TRIED.append((compiling.library(told), ""))
            except compiling.Unavailable as error:
                _TRIED.append((None, str(error)))
        return _TRIED[0]
