"""The task with its images: what training and estimators see of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import nascli.core.task as core

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
