"""Which values stoppers take; looked at without torch, and by their constructors.

A function has the name of the module whose component it is about, and the names of its settings.
"""

from __future__ import annotations

from nascli.core.fault import Fault


def eigenvalue(window: int, ratio: float) -> None:
    """Raises a Fault for no epochs, or a share that is none."""
    if window < 1:
        raise Fault(f"strategy.stopper.window is {window}; it must be at least 1 epoch")
    if not 0 <= ratio <= 1:
        raise Fault(f"strategy.stopper.ratio is {ratio}; it must be from 0 to 1")
