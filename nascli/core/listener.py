"""Who is told how a long piece of work goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nascli.core.trial import Trial


class Listener(Protocol):
    """Hears of progress; what it does with that changes no result."""

    def progress(self, done: float, text: str) -> None:
        """One long step is `done` (0 to 1); `text` says where it stands."""

    def warn(self, text: str) -> None:
        """Something that the user ought to know."""

    def trial(self, trial: Trial) -> None:
        """A trial has ended and is on record."""


class Silent:
    """Nobody listens."""

    def progress(self, done: float, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""

    def trial(self, trial: Trial) -> None:
        """Nothing."""


SILENT = Silent()
