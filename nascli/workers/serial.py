"""Proposals in this process, one after another or as many together as the estimator wants."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nascli.core.evaluation import Several
from nascli.core.traits import Traits
from nascli.core.trial import Proposal, Trial
from nascli.core.workers import Make


class Serial:
    """Evaluates in the calling process, in the order of submission.

    `capacity` is 1, or how many proposals the last estimator is best asked about together.
    """

    traits = Traits()

    def __init__(self, make: Make) -> None:
        self._evaluate = make()
        self._several = self._evaluate if isinstance(self._evaluate, Several) else None
        self.capacity = 1 if self._several is None else self._several.at_once
        self._waiting: deque[tuple[int, Proposal]] = deque()

    @property
    def busy(self) -> int:
        """Proposals submitted and not yet waited for."""
        return len(self._waiting)

    def submit(self, number: int, proposal: Proposal) -> None:
        """Keeps the proposal until `wait`."""
        self._waiting.append((number, proposal))

    def wait(self, seconds: float | None = None) -> Sequence[Trial]:
        """Evaluates the oldest proposal, or all together; what does so looks at the time itself."""
        del seconds
        if self._several is None or self.capacity == 1:
            return [self._evaluate(*self._waiting.popleft())]
        asked = list(self._waiting)
        self._waiting.clear()
        return self._several.together(asked)

    def close(self) -> None:
        """Forgets what was not evaluated."""
        self._waiting.clear()
