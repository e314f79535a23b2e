"""Which values penalties take; looked at without torch, and by their constructors.

A function has the name of the module whose component it is about, and the names of its settings.
"""

from __future__ import annotations

import math

from nascli.core.device import times
from nascli.core.fault import Fault, unknown
from nascli.core.problem import Problem

METRICS = ("auto", "latency_ms", "macs", "params")
FORMS = ("product", "sum")


def beta_decay(weight: float) -> None:
    """Raises a Fault for a weight below 0."""
    _at_least_0("beta_decay.weight", weight)


def zero_one(weight: float) -> None:
    """Raises a Fault for a weight below 0."""
    _at_least_0("zero_one.weight", weight)


def expected_cost(
    weight: float, metric: str, form: str, factor: float, *, problem: Problem
) -> None:
    """Raises a Fault for a value that makes no sense, or a latency without a device."""
    name = "expected_cost"
    _at_least_0(f"{name}.weight", weight)
    if not 0 < factor < math.inf:
        raise Fault(f"strategy.penalties.{name}.factor is {factor}; it is above 0")
    for key, value, allowed in (("metric", metric, METRICS), ("form", form, FORMS)):
        if value not in allowed:
            raise Fault(unknown(f"strategy.penalties.{name}.{key}", value, allowed))
    if metric == "latency_ms" and not times(problem.device):
        raise Fault(
            f"strategy.penalties.{name}.metric is latency_ms, but the search measures on "
            "no device: take device=cpu, or metric macs or params"
        )


def _at_least_0(key: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise Fault(f"strategy.penalties.{key} is {value}; it must be at least 0")
