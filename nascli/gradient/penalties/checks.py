"""What all penalties ask of their weight."""

from __future__ import annotations

import math

from nascli.core.fault import Fault


def weight_of(name: str, weight: float) -> float:
    """`weight`, if it is one.

    Raises:
        Fault: it is below 0 or no number.
    """
    if not 0 <= weight < math.inf:
        raise Fault(f"strategy.penalties.{name}.weight is {weight}; it must be at least 0")
    return weight
