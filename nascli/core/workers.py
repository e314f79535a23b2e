"""Workers turn proposals into trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nascli.core.trial import Proposal, Trial

Evaluate = Callable[[int, Proposal], Trial]


class Workers(Protocol):
    """Built as `Workers(evaluate, **yaml)`; a network that fails is a trial with an `error`."""

    @property
    def capacity(self) -> int:
        """How many proposals may be under way at once."""

    @property
    def busy(self) -> int:
        """How many are."""

    def submit(self, number: int, proposal: Proposal) -> None:
        """Starts one."""

    def wait(self) -> Sequence[Trial]:
        """At least one ended trial; blocks until there is one."""

    def close(self) -> None:
        """Ends whatever is still running."""
