"""Ctrl-C and SIGTERM while something runs that can be gone on with."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nascli import ui
from nascli.config.compose import Asked


@contextmanager
def stoppable(asked: Asked, path: Path) -> Iterator[None]:
    """Both say how to go on with the run folder; what is saved is saved already."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        ui.say(f"interrupted; go on with: {asked.then(asked.verb, f'resume={path}')}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
