"""Says what a trained network sees in image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nascli.programs.trained import Trained

_AT_ONCE = 256


@dataclass(frozen=True)
class Parts:
    """A network, image files, and how many classes to name for each."""

    trained: Trained
    files: Sequence[Path]
    top: int


def predict(parts: Parts) -> Iterator[tuple[Path, list[tuple[str, float]]]]:
    """For every image its likeliest classes with their probabilities, the first the likeliest.

    Raises:
        Fault: an image cannot be read.
    """
    names = parts.trained.card.class_names
    for start in range(0, len(parts.files), _AT_ONCE):
        files = parts.files[start : start + _AT_ONCE]
        for file, row in zip(files, parts.trained.predict(list(files)), strict=True):
            order = (-row).argsort(kind="stable")[: parts.top]
            yield file, [(names[number], float(row[number])) for number in order]
