"""One proposal after another, in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nascli.core.traits import Traits
from nascli.core.trial import Proposal, Trial
from nascli.core.workers import Make


class Serial:
    """Evaluates in the calling process, in the order of submission."""

    traits = Traits()
    capacity = 1

    def __init__(self, make: Make) -> None:
        self._evaluate = make()
        self._waiting: deque[tuple[int, Proposal]] = deque()

    @property
    def busy(self) -> int:
        """Proposals submitted and not yet waited for."""
        return len(self._waiting)

    def submit(self, number: int, proposal: Proposal) -> None:
        """Keeps the proposal until `wait`."""
        self._waiting.append((number, proposal))

    def wait(self, seconds: float | None = None) -> Sequence[Trial]:
        """Evaluates the oldest proposal; what does so looks at the time itself."""
        del seconds
        return [self._evaluate(*self._waiting.popleft())]

    def close(self) -> None:
        """Forgets what was not evaluated."""
        self._waiting.clear()
