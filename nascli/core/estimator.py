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
    `by_genotype` says that its answer hangs on how the genotype is written and not on the function
    alone, as a table's does: then equivalent genotypes are asked for apart. `meaning` says in a few
    words what its accuracy is an accuracy of, for those who read it.

    Two class attributes may stand besides: `objective`, what a search with this estimator is for
    unless the user says otherwise (accuracy, as large as possible), and `immediate`, True where an
    answer takes no training, so that costs can be surveyed before the search.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that `estimate` gives."""

    @property
    def repeatable(self) -> bool:
        """Whether asking twice gives the same answer."""

    @property
    def by_genotype(self) -> bool:
        """Whether two genotypes of the same function may get different answers."""

    @property
    def meaning(self) -> str:
        """What the accuracy stands for; empty for an estimator that gives none."""

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """Metric -> value."""
