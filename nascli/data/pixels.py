"""Pixels of any kind as 8 bits, grey or coloured; docs/data.md has the rules in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from nascli.core.fault import Fault

GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_BITS, _PHOTOMETRIC, _SAMPLES, _ORIENTATION = 258, 262, 339, 274  # tags of TIFF and EXIF
_MARKS = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # where orientation stands
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PART = 2**20  # pixels that are converted at once
_SLACK = 1e-3  # by which resampling may leave the range of floats


def grey(image: Image.Image) -> bool:
    """Whether an image that is not read yet has one channel."""
    return image.mode in GREY


def size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of an image that is not read yet, as it is to be looked at."""
    if image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8):  # PIL turns a TIFF's itself
        return image.width, image.height
    return image.height, image.width


def eight_bits(image: Image.Image, mode: str) -> Image.Image:
    """The image, read already, upright in mode L or RGB.

    Raises:
        Fault: its numbers have no range that could be known.
    """
    turn = _TURNS.get(_orientation(image))
    if image.mode != mode or "transparency" in image.info or image.format == "TIFF":
        image = _converted(image, mode)
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """As EXIF or XMP have it; 1 (upright) where there is none, or it cannot be read."""
    if image.format != "TIFF" and not any(mark in image.info for mark in _MARKS):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged ones raise whatever they like
        return 1


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """Part by part, so that what is made on the way stays small beside a large image."""
    step = _step(image)
    boxes = _parts(image)
    if len(boxes) == 1:
        return step(image).convert(mode)
    found = Image.new(mode, image.size)
    for box in boxes:
        found.paste(step(image.crop(box)).convert(mode), box)
    return found


def _parts(image: Image.Image) -> list[tuple[int, int, int, int]]:
    """Left, top, right and bottom of parts of at most `_PART` pixels."""
    rows = max(1, _PART // image.width)
    columns = min(image.width, _PART // rows)
    return [
        (left, top, min(left + columns, image.width), min(top + rows, image.height))
        for top in range(0, image.height, rows)
        for left in range(0, image.width, columns)
    ]


def _step(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What makes 8 bits of any part of that image."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _scaling(image)
    if image.mode == "L" and _tag(image, _SAMPLES) == 2:
        return _signed
    if image.mode in _ALPHA or "transparency" in image.info:
        return _on_white
    return _from_lab if image.mode == "LAB" else lambda part: part


def _scaling(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Numbers of more than 8 bits as 0 to 255, by the depth that the file declares."""
    top, floating = _top(image)
    arrays = (np.asarray(image.crop(box)) for box in _parts(image))
    ends = np.array([(array.min(), array.max()) for array in arrays], float)
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if not np.isfinite([low, high]).all():
        raise Fault("it holds numbers that are not finite")
    slack = _SLACK if floating else 0
    if low < -slack or high > top + slack:
        raise Fault(
            f"its values go from {low:g} to {high:g}, and in {_depth(image)} they have to lie in "
            f"0 to {top:g}, from black to white; save the images with 8 or 16 bits without a sign"
        )
    negative = _tag(image, _PHOTOMETRIC) == 0  # a TIFF in which zero is white
    transparent = None if floating else image.info.get("transparency")

    def scaled(part: Image.Image) -> Image.Image:
        values = np.asarray(part)
        if floating:
            found = (values.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        else:
            found = (values // np.array((top + 1) // 256, values.dtype)).astype(np.uint8)
        plain = Image.fromarray(255 - found if negative else found)
        if transparent is not None:
            plain.paste(255, mask=Image.fromarray(values == transparent))
        return plain

    return scaled


def _top(image: Image.Image) -> tuple[int, bool]:
    """The number that stands for white, and whether numbers between are fractions of it."""
    if image.mode == "F":
        return 1, True
    if image.mode != "I":
        return (4095 if _tag(image, _BITS) == 12 else 65535), False
    if image.format in ("TIFF", "IM", "SPIDER"):
        bits = _tag(image, _BITS)
        return (32767 if bits == 16 else 255), False  # 16 with a sign; 32 have no usual range
    return 65535, False  # PNG, PGM and JPEG 2000 of 16 bits


def _depth(image: Image.Image) -> str:
    if image.mode == "F":
        return "floating-point images"
    if image.mode == "I" and image.format == "TIFF":
        return "16-bit images with a sign" if _tag(image, _BITS) == 16 else "32-bit images"
    return "images of its depth"


def _signed(image: Image.Image) -> Image.Image:
    """Of 8 bits with a sign, which leave 7 for brightness."""
    values = np.asarray(image)
    if int(values.max()) > 127:
        raise Fault("it holds values below zero (8 bits with a sign); save it without a sign")
    return Image.fromarray(values * np.uint8(2))


def _tag(image: Image.Image, number: int) -> int | None:
    """A number in the header of a TIFF."""
    tags = getattr(image, "tag_v2", None)
    value = tags.get(number) if tags is not None else None
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def _on_white(image: Image.Image) -> Image.Image:
    """What a transparent image looks like on white paper."""
    grey_one = image.mode in ("L", "LA", "La", "1")
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    layered = image.convert("LA" if grey_one else "RGBA")
    opaque = "L" if grey_one else "RGB"
    paper = Image.new(opaque, image.size, "white")
    paper.paste(layered.convert(opaque), mask=layered.getchannel("A"))
    return paper


def _from_lab(image: Image.Image) -> Image.Image:
    try:
        from PIL import ImageCms

        lab, rgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
        found = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    except (ImportError, ImageCms.PyCMSError) as error:
        raise Fault(f"CIE Lab cannot be read by this Pillow ({error}); save it as RGB") from error
    assert found is not None
    return found
