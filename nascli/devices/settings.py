"""Which settings a device can measure with; imports no torch, for a search may never measure."""

from __future__ import annotations

from dataclasses import dataclass

from nascli.core.fault import Fault, unknown

DTYPES = ("float32", "float64", "bfloat16", "float16")


@dataclass(frozen=True)
class Limits:
    """How long passes are repeated.

    Every pass is called `warmup` times before and at most `repeats` times timed; it drops out once
    those have taken `seconds` in all. Rounds end before that when every latency is known to within
    `precision` (a share of itself; of layers, their sum is) with a confidence of 95 %; 0 asks for
    all repeats. Five times that will do for a network alone: further passes of the same second
    share the state that the machine is in, and it is that which differs from second to second.
    """

    warmup: int = 5
    repeats: int = 100
    seconds: float = 1.0
    precision: float = 0.01


def check(device: str, dtype: str, limits: Limits | None = None, **counts: int) -> None:
    """Refuses settings that cannot be measured with.

    Raises:
        Fault: an unknown dtype, or numbers that are not positive; all of them.
    """
    found = [] if dtype in DTYPES else [unknown(f"dtype of device {device}", dtype, DTYPES)]
    above: dict[str, float] = {**counts}
    or_more: dict[str, float] = {}
    if limits is not None:
        above |= {"repeats": limits.repeats, "seconds": limits.seconds}
        or_more |= {"warmup": limits.warmup, "precision": limits.precision}
    for name, value in above.items():
        if not value > 0:
            found.append(f"device {device}: {name} must be above 0, not {value}")
    for name, value in or_more.items():
        if not value >= 0:
            found.append(f"device {device}: {name} must be 0 or more, not {value}")
    if found:
        raise Fault("\n".join(found))
