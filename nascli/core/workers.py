"""Workers turn proposals into trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nascli.core.traits import Traits
from nascli.core.trial import Proposal, Trial

Evaluate = Callable[[int, Proposal], Trial]
Make = Callable[[], Evaluate]


class Workers(Protocol):
    """Built as `Workers(make, **yaml)`; a network that fails is a trial with an `error`.

    `make` builds what evaluates, in the process that will use it; it can be pickled wherever
    the trait `own_processes` is True. Weights shared with this process are out of reach there.
    """

    @property
    def traits(self) -> Traits:
        """See `nascli.core.traits`."""

    @property
    def capacity(self) -> int:
        """How many proposals may be under way at once."""

    @property
    def busy(self) -> int:
        """How many are."""

    def submit(self, number: int, proposal: Proposal) -> None:
        """Starts one."""

    def wait(self, seconds: float | None = None) -> Sequence[Trial]:
        """At least one ended trial; blocks until there is one, or for so many seconds: then none.

        Raises:
            Fault: what `make` or a trial has raised as such.
            OutOfTime: the budget's time was over in the middle of a trial, in this process.
        """

    def close(self) -> None:
        """Ends whatever is still running."""
