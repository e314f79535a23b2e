"""Failed trials: when a search had better stop for them, and how many there are of which kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from nascli.core.trial import Trial

_FIRST = 10  # that fail with the same error, or that a share of the budget is made of at least


@dataclass
class Failures:
    """Counts failures as trials end."""

    same: int = 0  # since the search began, while nothing but one error has come
    row: list[Trial] = field(default_factory=list)  # since the last one that did not fail
    worth: float = 0.0  # of those, in full trials
    _others: bool = False  # whether there was anything but that one error

    def add(self, trial: Trial, share: float) -> None:
        """Takes a trial that is `share` of a full one."""
        if trial.error is None:
            self._others, self.same, self.row, self.worth = True, 0, [], 0.0
            return
        if self.row and trial.error != self.row[0].error:
            self._others, self.same = True, 0
        self.same += not self._others
        self.row.append(trial)
        self.worth += share

    def reason(self, what: str, share: float, full: float) -> str | None:
        """Why there is no sense in going on; None if there is.

        The first ten failed with the same error, or nothing but failures (ten at least) came for
        `share` of a budget of `full` trials. `what` is what messages call trials.
        """
        if self.same >= _FIRST:
            return f"the first {self.same} {what} all failed with the same error: " + str(
                self.row[-1].error
            )
        if len(self.row) < _FIRST or self.worth < share * full:
            return None
        return (
            f"{len(self.row)} {what} in a row failed, budget.failures={share:g} of {full:g}: "
            f"{words(kinds(self.row))}"
        )


def kinds(trials: Iterable[Trial]) -> dict[str, int]:
    """Error -> how many trials failed with it, the most frequent first.

    Errors that differ only in which genotype they name are one.
    """
    errors = (t.error.replace(str(t.genotype), "a genotype") for t in trials if t.error is not None)
    return dict(Counter(errors).most_common())


def words(found: dict[str, int], most: int = 5) -> str:
    """The most frequent kinds in a line."""
    parts = [f"{count} with {kind}" for kind, count in list(found.items())[:most]]
    rest = sum(list(found.values())[most:])
    return "; ".join([*parts, *([f"{rest} with other errors"] if rest else [])])
