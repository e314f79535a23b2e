"""What measured latencies depend on besides the network: two of them beside each other; anchors."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from nascli.core.device import EAGER, Latency
from nascli.core.fault import Fault

Conditions = Mapping[str, str | int]
_NAMES = ("device", "threads", "dtype", "batch", "layout", "runtime", "torch")
_DEFAULTS: Conditions = {"runtime": EAGER, "layout": "contiguous"}
_TELLING, _REFUSED = 0.1, 0.25  # spread of anchors' ratios: said; no scale describes them


def differing(then: Conditions, now: Conditions) -> str:
    """Where two differ, in words; empty if nowhere. What is not recorded is not compared."""
    found = []
    for name in _NAMES:
        before, after = (of.get(name, _DEFAULTS.get(name)) for of in (then, now))
        if before is not None and after is not None and before != after:
            found.append(f"{name} '{before}' then and '{after}' now")
    return ", ".join(found)


def words(conditions: Conditions) -> str:
    """Those of a table, for people."""
    told = {name: conditions[name] for name in _NAMES if name in conditions}
    device = told.pop("device", "an unknown device")
    return ", ".join([str(device), *(f"{name} {value}" for name, value in told.items())])


def scale(recorded: Sequence[float], again: Sequence[Latency]) -> tuple[float, str]:
    """How many times what was recorded the same networks take now, and that in words.

    No recorded condition shows that a machine runs at two thirds of yesterday's speed; these do.

    Raises:
        Fault: they disagree, so that no factor makes the old figures those of today.
    """
    ratios = [now.ms / then for then, now in zip(recorded, again, strict=True)]
    middle = statistics.median(ratios)
    least, most = min(ratios), max(ratios)
    spread = max(most / middle, middle / least) - 1
    told = f"{len(ratios)} of its networks measured again took {least:.3g} to {most:.3g} times"
    if spread > _REFUSED:
        raise Fault(
            f"{told} what is recorded, which no factor mends: other work is running, or the "
            "machine is another one. Measure anew with nas profile, or say device.scale=1 to take "
            "what is recorded as it is"
        )
    doubt = "; they disagree by more than a tenth" if spread > _TELLING else ""
    return middle, f"{told} what is recorded, so predictions are scaled by {middle:.4g}{doubt}"
