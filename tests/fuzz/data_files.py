"""The files that data sets are read from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def image_files() -> list[tuple[str, bytes]]:
    """Name and content of good images: every format that PIL writes, in several modes."""
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)
    grey = colour[..., 0]
    images = [
        Image.fromarray(colour),
        Image.fromarray(grey),
        Image.fromarray(np.dstack([colour, grey])),
        Image.fromarray(np.dstack([grey, grey])),
        Image.fromarray(colour).quantize(30),
        Image.fromarray(grey > 100),
        Image.fromarray(grey.astype(np.uint16) * 257),
        Image.fromarray(grey.astype(np.int32)),
        Image.fromarray(grey.astype(np.float32) / 255),
        Image.fromarray(colour).convert("CMYK"),
        Image.fromarray(colour).convert("YCbCr"),
    ]
    exif = Image.Exif()
    exif[0x0112] = 6
    suffixes = "png jpg gif bmp dib tiff webp ppm pfm jp2 avif ico icns tga pcx sgi dds im msp xbm"
    found = []
    for image in images:
        for suffix in [*suffixes.split(), "qoi"]:
            if suffix == "icns" and any(name == "x.icns" for name, _ in found):
                continue  # one takes as long as all others
            for settings in ({}, {"exif": exif}, {"compression": "tiff_lzw"}):
                stream = io.BytesIO()
                try:
                    image.save(stream, Image.registered_extensions()[f".{suffix}"], **settings)
                except (OSError, ValueError, KeyError, TypeError, AttributeError):
                    continue
                found.append((f"x.{suffix}", stream.getvalue()))
    return found


def array_files() -> list[tuple[str, bytes]]:
    """Good .npz files."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 5, 6, 3), dtype=np.uint8)
    labels = np.arange(12) % 3
    found = []
    for dtype in (np.uint8, np.float32, np.uint16, np.int64):
        for save in (np.savez, np.savez_compressed):
            stream = io.BytesIO()
            arrays = {"x_train": images.astype(dtype), "y_train": labels}
            arrays |= {"x_test": images[:6].astype(dtype), "y_test": labels[:6]}
            save(stream, **arrays, class_names=["a", "b", "c"])
            found.append(("x.npz", stream.getvalue()))
    return found


def record_files() -> list[tuple[str, bytes]]:
    """A good splits.json."""
    from nascli.data import identity
    from nascli.data.synthetic import Synthetic

    return [("splits.json", identity.membership(Synthetic(images=40)).text().encode())]


def read_image(file: Path) -> None:
    """All that is done with an image file."""
    from nascli.data.images import Decoder, shape

    channels, height, width = shape(str(file))
    decoder = Decoder((channels, height, width))
    decoder.check(str(file))
    assert decoder(str(file)).shape == (height, width, channels)
    Decoder((3, 8, 8), resize=True)(str(file))


def read_arrays(file: Path) -> None:
    """All that is done with an .npz file."""
    from nascli.data import identity
    from nascli.data.arrays import Arrays

    task = Arrays(str(file), valid_fraction=0.3, test_fraction=0.3)
    identity.check(task)
    identity.membership(task)
    identity.words(task)


def read_record(file: Path) -> None:
    """All that is done with a splits.json."""
    from nascli.data import identity, membership
    from nascli.data.synthetic import Synthetic

    found = membership.read(file)
    assert found is not None
    task = Synthetic(images=40)
    identity.keep(task, found)
    found.check_same(identity.membership(task), "it")
