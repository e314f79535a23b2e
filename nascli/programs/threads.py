"""How torch computes: with how many threads, and with memory that stays from step to step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nascli.core.memory import keep
from nascli.core.problem import Problem

_TINY = 16  # pixels a side


def set_threads(threads: int | None, problem: Problem) -> None:
    """Sets them, if torch has come to be needed; None: what suits the problem's images.

    Layers on tiny images are too short to share: a second thread gains nothing, and costs up to
    twenty times the time while another process wants the same core.
    """
    if "torch" not in sys.modules:
        return
    import torch

    keep()
    if threads is not None:
        torch.set_num_threads(threads)
    elif max(problem.task.input_shape[1:]) <= _TINY:
        torch.set_num_threads(1)


@contextmanager
def computing_with(threads: int | None, problem: Problem) -> Iterator[None]:
    """Computes with so many threads meanwhile."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    before = torch.get_num_threads()
    set_threads(threads, problem)
    try:
        yield
    finally:
        torch.set_num_threads(before)
