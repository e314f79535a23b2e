"""Who is told how a long piece of work goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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


@runtime_checkable
class HearsEpochs(Protocol):
    """A listener that wants the figures of epochs too, not only the words on them."""

    def epoch(self, name: str, row: Mapping[str, float]) -> None:
        """An epoch of the training `name` has ended: its number `epoch`, losses, accuracies."""


class Silent:
    """Nobody listens."""

    def progress(self, done: float, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""

    def trial(self, trial: Trial) -> None:
        """Nothing."""


SILENT = Silent()
