"""The task with its images: what training and estimators see of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import nascli.core.task as core
from nascli.core.fault import Fault

if TYPE_CHECKING:
    from nascli.data.split import Split

SplitName = Literal["train", "valid", "test"]


class Task(core.Task, Protocol):
    """Images of one shape in some classes, with their splits.

    Building one is cheap and imports no torch where shape and classes are known beforehand.
    """

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class, in the order of the labels."""

    @property
    def flips(self) -> bool:
        """Whether a mirrored image is still of its class."""

    def split(self, name: SplitName) -> Split:
        """The images to train on, to validate on, or to test on: three disjoint sets.

        They are read when a split is first asked for, so a search never reads the test split.

        Raises:
            Fault: the files are missing, unreadable or do not fit together.
        """


def selecting(task: Task) -> Split:
    """The validation split, for whoever chooses among networks by it.

    Raises:
        Fault: nothing is held out for it.
    """
    valid = task.split("valid")
    if not len(valid):
        raise Fault(
            "no image is held out to choose networks by, for data.valid_fraction is 0; give a "
            "share, such as data.valid_fraction=0.1 (a retraining chooses nothing and may do "
            "without)"
        )
    return valid
