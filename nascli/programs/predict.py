"""Says what a trained network sees in image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nascli.core.fault import Fault
from nascli.data import images

if TYPE_CHECKING:
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


def image_files(given: Sequence[str]) -> list[Path]:
    """The image files among these, folders looked through.

    Raises:
        Fault: there is no such file, or no image in a folder.
    """
    found: list[Path] = []
    for text in given:
        place = Path(text).expanduser()
        if place.is_dir():
            inside = sorted(f for f in place.rglob("*") if f.suffix.lower() in images.SUFFIXES)
            if not inside:
                raise Fault(
                    f"no image in '{text}'; images are: {' '.join(sorted(images.SUFFIXES))}"
                )
            found += inside
        elif place.exists():
            found.append(place)
        else:
            raise Fault(f"no image, and no folder of images, at '{text}'")
    return found
