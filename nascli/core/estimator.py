"""Estimators say how good a genotype is, or what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nascli.core.trial import Proposal

COSTS = ("params", "macs", "flops", "peak_memory_mb", "latency_ms")


class Estimator(Protocol):
    """Built as `Estimator(problem, **yaml)`.

    `metrics` names what it reports. `repeatable` says that the same proposal always gets the same
    answer, so that the loop need not ask twice; it is False where weights change under way.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that `estimate` gives."""

    @property
    def repeatable(self) -> bool:
        """Whether asking twice gives the same answer."""

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """Metric -> value."""
