"""Which settings a device can measure with; imports no torch, for a search may never measure."""

from __future__ import annotations

from dataclasses import dataclass

from nascli.core.fault import Fault, unknown

DTYPES = ("float32", "float64", "bfloat16", "float16")


def check(device: str, dtype: str, **counts: int) -> None:
    """Refuses settings that cannot be measured with.

    Raises:
        Fault: an unknown dtype, or a number that is not positive.
    """
    if dtype not in DTYPES:
        raise Fault(unknown(f"dtype of device {device}", dtype, DTYPES))
    for name, value in counts.items():
        if not value > 0:
            raise Fault(f"device {device}: {name} must be above 0, not {value}")


@dataclass(frozen=True)
class Limits:
    """How long passes are repeated.

    Every pass is called `warmup` times before and at most `repeats` times timed; it drops out once
    those have taken `seconds` in all. Rounds end before that when every latency is known to within
    `precision` (a share of itself; of layers, their sum is) with a confidence of 95 %; 0 asks for
    all repeats.
    """

    warmup: int = 5
    repeats: int = 100
    seconds: float = 1.0
    precision: float = 0.01

    def check(self, device: str) -> None:
        """Raises a Fault where nothing could be measured so."""
        for name, value in {"repeats": self.repeats, "seconds": self.seconds}.items():
            if not value > 0:
                raise Fault(f"device {device}: {name} must be above 0, not {value}")
        for name, value in {"warmup": self.warmup, "precision": self.precision}.items():
            if not value >= 0:
                raise Fault(f"device {device}: {name} must be 0 or more, not {value}")
