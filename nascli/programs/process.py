"""A program inside of another one leaves the process as it was."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_it_was() -> Iterator[None]:
    """Puts back what components of anyone may change in a process."""
    paths, drawn, frozen = list(sys.path), random.getstate(), gc.get_freeze_count()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        drawn_by_numpy = numpy.random.get_state()
    if torch is not None:
        threads, drawn_by_torch = torch.get_num_threads(), torch.get_rng_state()
        on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        sys.path[:] = paths
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
