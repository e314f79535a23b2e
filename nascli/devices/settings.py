"""Which settings a device can measure with; imports no torch, for a search may never measure."""

from __future__ import annotations

from nascli.core.fault import Fault, unknown

DTYPES = ("float32", "float64", "bfloat16", "float16")


def check(device: str, dtype: str, seconds: float, **counts: int) -> None:
    """Refuses settings that cannot be measured with.

    Raises:
        Fault: an unknown dtype, or a number that is not positive.
    """
    if dtype not in DTYPES:
        raise Fault(unknown(f"dtype of device {device}", dtype, DTYPES))
    for name, value in {**counts, "seconds": seconds}.items():
        if not value > 0:
            raise Fault(f"device {device}: {name} must be above 0, not {value}")
