"""The task that a network is searched for, as far as spaces and strategies see it."""

from __future__ import annotations

from typing import Protocol


class Task(Protocol):
    """Images of one shape in some classes. Reading `input_shape` never loads an image twice."""

    @property
    def name(self) -> str:
        """The data's name."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image as the network gets it."""

    @property
    def classes(self) -> int:
        """How many classes there are."""
