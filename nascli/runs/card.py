"""What one must know of a trained network to use it without its data: network.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nascli.core import plain
from nascli.core.fault import Fault

FILE = "network.json"
_FORMAT, _MOST_BYTES = 1, 10_000_000


@dataclass(frozen=True)
class Card:
    """What a network takes and gives.

    Args:
        description: the genotype in words.
        task: the name of the data that it was trained on.
        input_shape: (channels, height, width) of an image.
        pixels: "uint8" (0 to 255), or "float32" for images that were numbers of their own.
        mean: of each channel, in the units of `pixels`; images are normalised by it before layers.
        std: the standard deviations, likewise.
        class_names: one a logit, in order.
        costs: params, macs and whatever else is known of this network on such images.
    """

    description: str
    task: str
    input_shape: tuple[int, int, int]
    pixels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    costs: Mapping[str, float]

    @property
    def name(self) -> str:
        """Of the data, as a task has it."""
        return self.task

    @property
    def classes(self) -> int:
        """How many, as a task has it."""
        return len(self.class_names)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"format": _FORMAT, **asdict(self), "costs": dict(self.costs)}


def read(folder: Path) -> Card | None:
    """The card of a run folder; None if it has none (older than cards, or no training).

    Raises:
        Fault: it is damaged, or of a newer version.
    """
    file = folder / FILE
    try:
        said = plain.json_object(file, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if said["format"] != _FORMAT:
            raise Fault("a newer version of nascli wrote it; update this one")
        return _checked(said)
    except (ArithmeticError, ValueError, KeyError, TypeError, Fault) as error:
        raise Fault(f"'{file}' is damaged: {error}") from error


def _checked(said: Mapping[str, Any]) -> Card:
    shape = tuple(int(size) for size in said["input_shape"])
    if len(shape) != 3 or not all(0 < size <= 100_000 for size in shape):
        raise ValueError(f"input_shape is {said['input_shape']}")
    if said["pixels"] not in ("uint8", "float32"):
        raise ValueError(f"pixels is {said['pixels']!r}")
    return Card(
        description=str(said["description"]),
        task=str(said["task"]),
        input_shape=shape,
        pixels=said["pixels"],
        mean=_numbers(said, "mean", shape[0]),
        std=_numbers(said, "std", shape[0]),
        class_names=tuple(str(name) for name in said["class_names"]),
        costs={name: float(value) for name, value in plain.numbers(said, "costs").items()},
    )


def _numbers(said: Mapping[str, Any], key: str, channels: int) -> tuple[float, ...]:
    found: Sequence[float] = [float(value) for value in said[key]]
    positive = key != "std" or all(value > 0 for value in found)
    if len(found) != channels or not positive or not all(map(math.isfinite, found)):
        raise ValueError(f"{key} is {said[key]}")
    return tuple(found)
