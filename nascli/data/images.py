"""Finds and decodes image files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nascli.core.fault import Fault

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")


def find(folder: Path) -> list[Path]:
    """All image files under `folder`, at any depth, sorted; hidden ones are passed over."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def shape(file: Path) -> tuple[int, int, int]:
    """(channels, height, width) of an image: 1 channel if it is grey, else 3."""
    with _opened(file) as image:
        return (1 if image.mode in _GREY else 3), image.height, image.width


@dataclass(frozen=True)
class Decoder:
    """Makes an array of `shape` (channels, height, width) from an image file.

    With `resize` an image is scaled until it just covers that size, then cropped at the centre.
    With `fade` a coloured image may become grey. Grey images become coloured by repetition;
    transparency is dropped, 16 bits keep the upper 8, of an animation the first frame is taken.
    """

    shape: tuple[int, int, int]
    resize: bool = False
    fade: bool = False

    def __call__(self, file: Path) -> NDArray[np.uint8]:
        """The image as (height, width, channels).

        Raises:
            Fault: it cannot be read, or does not fit `shape`; the message names the file.
        """
        channels, height, width = self.shape
        with _opened(file) as image:
            if channels == 1 and image.mode not in _GREY and not self.fade:
                raise Fault(
                    f"{file} is coloured, but the first image is grey; set data.channels=3 to "
                    "take all as coloured, or data.channels=1 to take all as grey"
                )
            plain = _eight_bits(_loaded(image, file), "L" if channels == 1 else "RGB")
        if plain.size != (width, height):
            if not self.resize:
                raise Fault(
                    f"the images differ in size: {file} has {plain.height}x{plain.width} pixels, "
                    f"the first has {height}x{width}; set data.image_size=PIXELS to have all "
                    "resized and cropped"
                )
            plain = _covering(plain, height, width)
        return np.asarray(plain).reshape(height, width, channels)


def _opened(file: Path) -> Image.Image:
    try:
        return Image.open(file)
    except Exception as error:  # decoders raise whatever they like
        raise Fault(f"cannot read image {file}: {error}") from error


def _loaded(image: Image.Image, file: Path) -> Image.Image:
    try:
        image.load()
    except Exception as error:  # decoders raise whatever they like
        raise Fault(f"cannot read image {file}: {error}") from error
    return image


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel; convert() would clip at 255
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray((wide >> 8).clip(0, 255).astype(np.uint8))
    return image.convert(mode)


def _covering(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = max(height / image.height, width / image.width)
    size = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
