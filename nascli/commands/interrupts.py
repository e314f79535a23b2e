"""Ctrl-C and SIGTERM while something runs that can be gone on with."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nascli import ui


@contextmanager
def stoppable(verb: str, path: Path) -> Iterator[None]:
    """Both say how to go on; what is saved is saved already."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        ui.say(f"interrupted; go on with: nas {verb} resume={path}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
