"""Estimators say how good a genotype is, or what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nascli.core.trial import Proposal

COSTS = ("params", "macs", "flops", "peak_memory_mb", "latency_ms")


class Estimator(Protocol):
    """Built as `Estimator(problem, **yaml)`.

    `metrics` names what it reports. `traits` (see `nascli.core.traits`) says what the loop must
    know of it; a class without any has the usual ones. `meaning` says in a few words what its
    accuracy is an accuracy of, for those who read it.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that `estimate` gives."""

    @property
    def meaning(self) -> str:
        """What the accuracy stands for; empty for an estimator that gives none."""

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """Metric -> value."""
