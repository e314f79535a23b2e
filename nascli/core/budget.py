"""How long a search may go on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from nascli.core.fault import Fault

_PROPOSALS_PER_TRIAL = 1000
_UNLIMITED = 1 << 60
_ROUNDING = 1e-6  # what sums of shares may be off


class OutOfTime(BaseException):
    """The seconds of the budget are over in the middle of something, which can be gone on with.

    It is no error of a trial, so no `except Exception` is to stop it.
    """


@dataclass
class Budget:
    """Ends a search after so many trials or seconds, whichever comes first.

    A trial counts against `trials` if the estimators worked on it, at a lower fidelity only as the
    share that it takes of a full one. Repeats of a known genotype and proposals that break a
    constraint are free, but at most `proposals` (default: 1,000 a trial) are looked at in all, so
    that no search is without an end. A search also ends after `repeats` proposals in a row that are
    known, of which its history has no line; None is the rule of 0.1.0, by which every repeat has
    one. It ends as failed where nothing but failures came for the share `failures` of its trials.
    Whatever takes long calls `check` before every step of it.
    """

    trials: int | None = None
    seconds: float | None = None
    proposals: int | None = None
    repeats: int | None = None
    failures: float = 0.5
    used: float = field(default=0, init=False)
    seen: int = field(default=0, init=False)
    replaying: bool = field(default=False, init=False)
    _start: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        """Raises a Fault for a budget that allows nothing."""
        for name in ("trials", "seconds", "proposals", "repeats"):
            value = getattr(self, name)
            good = value is None or (isinstance(value, (int, float)) and value > 0)
            if not good or (name != "seconds" and isinstance(value, float)):
                kind = "a number" if name == "seconds" else "a whole number"
                raise Fault(f"budget.{name} is {value!r}; it must be {kind} above 0, or null")
        if not isinstance(self.failures, (int, float)) or not 0 < self.failures <= 1:
            raise Fault(f"budget.failures is {self.failures!r}; it must be above 0 and at most 1")

    def start(self, seconds_before: float = 0.0) -> None:
        """Starts the clock; a resumed search has already used `seconds_before`."""
        self._start = time.monotonic() - seconds_before

    def charge(self, share: float) -> None:
        """Books one ended trial that took this share of a full one; 0: it was free."""
        self.seen += 1
        self.used = round(self.used + share, 9)  # sums of shares are to end at whole numbers

    @property
    def elapsed(self) -> float:
        """Seconds since the search began, those before a resume included."""
        return time.monotonic() - self._start

    @property
    def seconds_left(self) -> float | None:
        """Until the time is over; None for a budget without end."""
        return None if self.seconds is None else max(0.0, self.seconds - self.elapsed)

    def check(self) -> None:
        """Raises OutOfTime once the time is over; what is on record is always taken back."""
        if self.seconds_left == 0 and not self.replaying:
            raise OutOfTime

    def left(self, under_way: int = 0, worth: float | None = None) -> int:
        """How many more proposals may be asked for while `under_way` have not ended.

        Those will be charged `worth` full trials in all; one for each of them, if it is not given.
        """
        if self.seconds_left == 0:
            return 0
        trials = _UNLIMITED
        if self.trials is not None:
            taken = self.used + (under_way if worth is None else worth)
            trials = math.ceil(self.trials - taken - _ROUNDING)
        return max(0, min(trials, self._most - self.seen - under_way))

    @property
    def _most(self) -> int:
        """How many proposals are looked at in all."""
        each = _PROPOSALS_PER_TRIAL * self.trials if self.trials is not None else _UNLIMITED
        return self.proposals or each

    @property
    def used_up(self) -> str | None:
        """Which part of it is used up, as the command line has it; None if there is some left."""
        if self.trials is not None and self.trials - self.used <= _ROUNDING:
            return f"budget.trials={self.trials} is used up"
        if self.seen >= self._most:
            return f"budget.proposals={self._most} is used up"
        if self.seconds is not None and self.elapsed >= self.seconds:
            return f"budget.seconds={self.seconds:g} is used up"
        return None
