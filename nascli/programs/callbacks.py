"""What callers of the verbs as functions hear, and what becomes of errors that they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from nascli.core.listener import SILENT, Listener
from nascli.core.trial import Trial
from nascli.runs import folder

Progress = Callable[[float, str], None]


class CallbackError(BaseException):
    """What a callback of the caller's has raised: on its way to the caller, it ends no trial."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def calling_back() -> Iterator[None]:
    """Meanwhile the code of the caller's runs; an error of its own becomes a `CallbackError`."""
    try:
        yield
    except Exception as error:
        raise CallbackError(error) from error


class Hears:
    """Hands on what it hears; warnings also go to the run's log.txt."""

    def __init__(self, listener: Listener | None, progress: Progress | None) -> None:
        self._listener = listener or SILENT
        self._progress = progress
        self._run: folder.Run | None = None

    @contextmanager
    def logging_to(self, run: folder.Run) -> Iterator[None]:
        """Warnings go there meanwhile; the folder is free again afterwards."""
        self._run = run
        try:
            with closing(run):
                yield
        finally:
            self._run = None

    def progress(self, done: float, text: str) -> None:
        """Of one long step."""
        with calling_back():
            self._listener.progress(done, text)
            if self._progress is not None:
                self._progress(done, text)

    def warn(self, text: str) -> None:
        """What the user ought to know."""
        with calling_back():
            self._listener.warn(text)
        if self._run is not None:
            self._run.log(text)

    def trial(self, trial: Trial) -> None:
        """One that is on record."""
        with calling_back():
            self._listener.trial(trial)
