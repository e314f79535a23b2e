"""The only code that prints: progress and words to stderr, a run folder's path to stdout."""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nascli.core.fault import Fault
from nascli.report.units import duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from nascli.core.trial import Trial
    from nascli.runs.folder import Run

_LOG: list[Run] = []
_REDRAWN = 0.1  # seconds between two looks of a bar


def console() -> Console:
    """The console on stderr; plain text when it is no terminal."""
    from rich.console import Console

    width = None if sys.stderr.isatty() else 100
    return Console(stderr=True, highlight=False, soft_wrap=True, width=width)


@contextmanager
def logging_to(run: Run) -> Iterator[None]:
    """What is said meanwhile also goes to the run's log.txt, and what goes wrong."""
    _LOG.append(run)
    try:
        yield
    except Fault as fault:
        run.log(f"fault: {fault}")
        raise
    except Exception:
        run.log(traceback.format_exc())
        raise
    finally:
        _LOG.pop()


def say(text: str = "") -> None:
    """One message to the person at the terminal."""
    console().print(text, markup=False)
    if _LOG:
        _LOG[-1].log(text)


def fault(text: str) -> None:
    """What is wrong with the input, on stderr."""
    print(f"nas: {text}", file=sys.stderr)


def path(folder: Path) -> None:
    """The one line on stdout that a script wants."""
    print(folder, flush=True)


def out(text: str) -> None:
    """The answer of a command that makes no run folder, on stdout."""
    print(text, flush=True)


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A small table on stderr."""
    from rich.table import Table

    grid = Table(title=title, title_justify="left", header_style="bold", show_header=any(header))
    for index, name in enumerate(header):
        grid.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    kept = [list(row) for row in rows]
    for row in kept:
        grid.add_row(*row)
    printed = console()
    room = printed.options.update(max_width=1000)
    if (
        printed.measure(grid, options=room).maximum > printed.width
    ):  # lines take the room that words need
        grid.box, grid.padding, grid.pad_edge = None, (0, 1, 0, 0), False
    printed.print(grid)
    if _LOG:
        for row in kept:
            _LOG[-1].log("  ".join(row))


class Progress:
    """A bar with what is going on, the best so far and the time left.

    Without a terminal it says a line now and then: at once, then at growing intervals. With
    `percent` the total is 1, and shares of it are shown. `ends` says in how many seconds it is over
    at the latest; `left` in how many it is by a forecast, None where there is none.
    """

    def __init__(
        self,
        label: str,
        total: float | None,
        *,
        percent: bool = False,
        ends: Callable[[], float] = lambda: math.inf,
        left: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._label, self._total, self._done = label, total, 0.0
        self._percent, self._ends, self._left = percent, ends, left
        self._text: str | Callable[[], str] = ""
        self._interval, self._last = 2.0, 0.0
        self._before = 0.0  # what was done by then, and when that was
        self._then = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from rich import progress
            from rich.text import Text

            class Left(progress.TimeRemainingColumn):
                """By the forecast, where there is one."""

                def render(column, task: progress.Task) -> Text:  # noqa: N805
                    seconds = left()
                    return super().render(task) if seconds is None else Text(duration(seconds))

            class Bar(progress.Progress):
                """With the text below, where there is room for all of it."""

                def get_renderables(self) -> Iterator[RenderableType]:
                    yield self.make_tasks_table(self.tasks)
                    for task in self.tasks:
                        if task.fields["text"]:
                            yield Text(task.fields["text"], overflow="fold", no_wrap=False)

            self._bar = Bar(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(bar_width=24),
                progress.TaskProgressColumn() if percent else progress.MofNCompleteColumn(),
                progress.TextColumn("left"),
                Left(compact=True),
                console=console(),
            )
            self._task = self._bar.add_task(label, total=total, text="")

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        self._then = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._draw()
            self._bar.stop()

    def update(
        self, done: float, text: str | Callable[[], str], total: float | None = None
    ) -> None:
        """`done` of the total is behind us; `text` says how it stands, when it is shown."""
        self._done, self._text, self._total = done, text, total or self._total
        now = time.monotonic()
        if now - self._last < (_REDRAWN if self._bar else self._interval):
            return
        self._last = now
        if self._bar:
            self._draw()
        else:
            self._interval = min(60.0, self._interval * 1.5)
            say(self._line(now))

    def begin(self, done: float) -> None:
        """So much is done, and says nothing of how fast the rest goes."""
        self._before, self._then = done, time.monotonic()

    def _draw(self) -> None:
        assert self._bar is not None
        done, text, total = self._done, self._words(), self._total
        self._bar.update(self._task, completed=done, text=text, total=total)

    def _words(self) -> str:
        return self._text if isinstance(self._text, str) else self._text()

    def _line(self, now: float) -> str:
        of = f"/{self._total:g}" if self._total else ""
        line = f"{self._label} {round(self._done, 1):g}{of}"
        if self._percent:
            line = f"{self._label} {self._done:.0%}"
        gained, left, forecast = self._done - self._before, self._ends(), self._left()
        if forecast is not None:
            left = min(left, forecast)
        elif self._total and gained > 0 and self._done < self._total:  # as since the last line
            left = min(left, (now - self._then) * (self._total - self._done) / gained)
            self._before, self._then = self._done, now
        if 0 < left < math.inf:
            line += f", {duration(left)} left"
        text = self._words()
        return f"{line}: {text}" if text else line


@dataclass
class Heard:
    """A listener: what it hears goes to a bar, once there is one, and warnings are said."""

    step: Callable[[float, str], None] = lambda _done, _text: None
    ended: Callable[[Trial], None] = lambda _trial: None

    def progress(self, done: float, text: str) -> None:
        """Moves the bar."""
        self.step(done, text)

    def warn(self, text: str) -> None:
        """Says it."""
        say(text)

    def trial(self, trial: Trial) -> None:
        """Moves the bar."""
        self.ended(trial)
