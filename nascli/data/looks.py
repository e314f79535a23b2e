"""A first look at a data set: its classes as a network sees them, and images that are odd."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.data import images
from nascli.data.files import Files
from nascli.data.split import Split
from nascli.data.task import SplitName, Task

SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")
_LOOKED = 2000  # images at most that are looked at for odd ones
_SHOWN = 12  # images of a class on its sheet
_SIDE = 56  # pixels that an image has at least on a sheet
_CALLED: dict[SplitName, str] = {"train": "training", "valid": "validation", "test": "test"}
_NAMED = 8  # odd ones of a kind
_CUT, _BLOWN = 2.0, 2.0  # sides that differ so much, or an image that is enlarged so much, are odd


@dataclass(frozen=True)
class Looks:
    """Class -> how many images each split has; class -> some of them as PNG; odd ones in words."""

    counts: Mapping[str, Mapping[SplitName, int]]
    sheets: Mapping[str, Sequence[bytes]]
    odd: Sequence[str]


def look(task: Task) -> Looks:
    """Looks at all labels, a few training images of every class, and 2,000 a split for odd ones.

    Raises:
        Fault: an image cannot be read.
    """
    splits = {name: task.split(name) for name in SPLITS}
    numbers = {n: np.bincount(s.labels.numpy(), minlength=task.classes) for n, s in splits.items()}
    counts = {
        label: {name: int(numbers[name][place]) for name in SPLITS}
        for place, label in enumerate(task.class_names)
    }
    train = splits["train"]
    sheets = {}
    for place, label in enumerate(task.class_names):
        rows = np.flatnonzero(train.labels.numpy() == place)
        if len(rows):
            sheets[label] = _pictures(train.take(_spread(rows, _SHOWN)).images().numpy())
    return Looks(counts, sheets, _odd(splits, task.class_names))


def _spread(rows: Any, most: int) -> Any:
    """At most so many, evenly spaced."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.intp)
    return rows[places]


def _pictures(pixels: NDArray[Any]) -> list[bytes]:
    """Images (N, C, H, W) as PNGs; values other than bytes from least to most of all of them."""
    from PIL import Image

    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = (255 * (pixels - low) / ((high - low) or 1)).astype(np.uint8)
    _, channels, height, width = pixels.shape
    times = max(1, -(-_SIDE // min(height, width)))
    found = []
    for one in pixels.transpose(0, 2, 3, 1):
        plain = one if channels == 3 else one[..., 0]
        file = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(plain))
        size = width * times, height * times
        image.resize(size, Image.Resampling.NEAREST).save(file, "PNG", optimize=True)
        found.append(file.getvalue())
    return found


def as_address(png: bytes) -> str:
    """A PNG as what an image in a page may have as its source."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _odd(splits: Mapping[SplitName, Split], names: Sequence[str]) -> list[str]:
    """Images of one colour, the same ones in several classes, and those that resizing maims."""
    kinds: dict[str, list[str]] = {}
    for name, split in splits.items():
        if len(split):
            for what, found in _odd_of(name, split, names).items():
                kinds.setdefault(what, []).extend(found)
    return [
        f"{what}: {', '.join(found[:_NAMED])}"
        + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")
        for what, found in kinds.items()
        if found
    ]


def _odd_of(name: SplitName, split: Split, names: Sequence[str]) -> dict[str, list[str]]:
    """Kind -> the odd ones of a split."""
    rows = _spread(np.arange(len(split)), _LOOKED)
    some = split.take(rows)
    files = some.source.files if isinstance(some.source, Files) else None
    called = files or [f"{_CALLED[name]} image {row}" for row in rows.tolist()]
    order = torch.arange(len(rows))
    spread = [
        pixels.flatten(1).float().std(1) for pixels, _ in some.source.fetch(order, 256, "cpu")
    ]
    plain = [called[n] for n in (torch.cat(spread) == 0).nonzero().flatten().tolist()]
    twice = [
        f"{called[first]} ({names[a]}) and {called[second]} ({names[b]})"
        for first, a, second, b in _contradictions(some)
    ]
    kinds = {"of one colour all over": plain, "the same image in two classes": twice}
    if files is not None:
        kinds |= _maimed(files, some.shape[1:])
    return kinds


def _contradictions(split: Split) -> list[tuple[int, int, int, int]]:
    """(row, class, row, class) of images that are the same and have different labels."""
    seen: dict[bytes, tuple[int, int]] = {}
    found = []
    for row, (key, label) in enumerate(zip(split.source.keys, split.labels.tolist(), strict=True)):
        first, before = seen.setdefault(np.asarray(key).tobytes(), (row, label))
        if before != label:
            found.append((first, before, row, label))
    return found


def _maimed(files: Sequence[str], size: tuple[int, int]) -> dict[str, list[str]]:
    """Those of which the crop leaves less than half, and those that are much enlarged."""
    cut, blown = [], []
    for file in files:
        try:
            _, high, wide = images.shape(file)
        except Fault:
            continue  # it has been decoded: its header alone is odd
        if max(high / wide, wide / high) > _CUT * max(size) / min(size):
            cut.append(f"{file} ({high}x{wide})")
        elif max(size[0] / high, size[1] / wide) >= _BLOWN:
            blown.append(f"{file} ({high}x{wide})")
    return {"of which the crop leaves less than half": cut, "much enlarged": blown}
