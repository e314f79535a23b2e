"""A program inside of another one leaves the process as it was."""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_ENTERING = threading.Lock()
_BEFORE: list[list[str]] = []
"""What `sys.path` was when the first of the calls that are under way began."""


@contextmanager
def importing(folders: Sequence[str]) -> Iterator[None]:
    """Imports look there too meanwhile; calls of several threads may overlap."""
    with _ENTERING:
        _BEFORE.append(_BEFORE[0] if _BEFORE else list(sys.path))
        sys.path += folders
    try:
        yield
    finally:
        with _ENTERING:
            before = _BEFORE.pop()
            if not _BEFORE:
                sys.path[:] = before  # what a component has put there goes too
            else:
                for folder in filter(sys.path.__contains__, folders):
                    place = len(sys.path) - 1 - sys.path[::-1].index(folder)
                    del sys.path[place]


@contextmanager
def as_it_was() -> Iterator[None]:
    """Puts back what components of anyone may change in a process."""
    drawn, frozen = random.getstate(), gc.get_freeze_count()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        drawn_by_numpy = numpy.random.get_state()
    if torch is not None:
        threads, drawn_by_torch = torch.get_num_threads(), torch.get_rng_state()
        on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(drawn)
        if not frozen:
            gc.unfreeze()
        if numpy is not None:
            numpy.random.set_state(drawn_by_numpy)
        if torch is not None:
            torch.set_num_threads(threads)
            torch.set_rng_state(drawn_by_torch)
            if on_gpus is not None:
                torch.cuda.set_rng_state_all(on_gpus)
