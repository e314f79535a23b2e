"""Estimators say how good a genotype is, or what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from nascli.core.trial import Proposal

TRAIN = "nascli.estimators.train.Train"
"""What a config names that trains every network from scratch."""
COUNTED = ("params", "macs", "flops", "peak_memory_mb")
"""What every network costs, wherever it runs."""
MEASURED = ("latency_ms", "energy_mj")
"""What it costs on a device that measures."""
COSTS = (*COUNTED, *MEASURED, "flash_kib", "ram_kib")
"""The same, and what it costs on devices of one kind or another."""


class Estimator(Protocol):
    """Built as `Estimator(problem, **yaml)`; see `Stateful` and `Prepared` for what it may add.

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


@runtime_checkable
class Stateful(Protocol):
    """Something whose answers depend on what came before: a checkpoint holds its state."""

    def state_dict(self) -> dict[str, Any]:
        """All that its answers depend on: plain values and tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


@runtime_checkable
class Prepared(Stateful, Protocol):
    """An estimator with work to do before its first estimate, such as training a supernet."""

    def prepare(self, save: Callable[[], None]) -> None:
        """Does that work from where its state stands; returns at once if it is done.

        It calls `save` whenever its state is worth keeping, such as after every epoch: going on
        from there ends as if nothing had come between.
        """


@runtime_checkable
class Together(Protocol):
    """An estimator that answers several proposals together sooner than one after another."""

    def estimate_all(self, proposals: Sequence[Proposal]) -> Sequence[Mapping[str, float]]:
        """What `estimate` gives, for each."""
