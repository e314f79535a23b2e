"""Pixels of every mode that PIL opens, by the rules of docs/data.md."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, features

from nascli.core.fault import Fault
from nascli.data import pixels
from nascli.data.image_folder import ImageFolder
from nascli.data.images import Decoder, shape

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
COLOUR = np.stack([GREY, GREY.T, 255 - GREY], -1)
WIDE = GREY.astype(np.uint16) * 257  # the same brightness in 16 bits


def decoded(file: Path) -> NDArray[np.uint8]:
    """(H, W) of a grey file, (H, W, 3) of a coloured one."""
    channels, *size = shape(str(file))
    found = Decoder((channels, size[0], size[1]))(str(file))
    return found[..., 0] if channels == 1 else found


def saved(file: Path, image: Image.Image, **settings: Any) -> Path:
    image.save(file, **settings)
    return file


def tiff(file: Path, bits: int, kind: int, photometric: int, data: bytes) -> Path:
    """A grey 8x8 TIFF; `kind` 1 without a sign, 2 with one, 3 floating point."""
    tags = {256: 8, 257: 8, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 8}
    tags |= {279: len(data), 339: kind}
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items())
    header = b"II*\0" + struct.pack("<I", 8 + len(data))
    file.write_bytes(header + data + struct.pack("<H", len(tags)) + entries + bytes(4))
    return file


def twelve_bits(values: NDArray[np.uint8]) -> bytes:
    """Packed: two values in three bytes."""
    wide = values.astype(int).ravel() * 16
    packed = bytearray()
    for one, other in zip(wide[::2].tolist(), wide[1::2].tolist(), strict=True):
        packed += bytes([one >> 4, ((one & 15) << 4) | (other >> 8), other & 255])
    return bytes(packed)


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm", "jp2"])
def test_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    if suffix == "jp2" and not features.check("jpg_2000"):
        pytest.skip("this PIL reads no JPEG 2000")
    assert (decoded(saved(tmp_path / f"x.{suffix}", Image.fromarray(WIDE))) == GREY).all()


@pytest.mark.parametrize("suffix", ["tiff", "pfm"])
def test_floats_from_black_to_white_are_0_to_1(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(GREY.astype(np.float32) / np.float32(255))
    assert (decoded(saved(tmp_path / f"x.{suffix}", image)) == GREY).all()


def test_a_folder_of_float_images_is_not_black(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(20):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(rng.random((8, 8), dtype=np.float32)).save(folder / f"{number}.tiff")
    task = ImageFolder(str(tmp_path))
    assert task.input_shape == (1, 8, 8)
    # Even numbers between 0 and 255 have the mean 127.5 and the deviation 73.6.
    pixels = task.split("train").images().double()
    assert abs(float(pixels.mean()) - 127.5) < 10 and abs(float(pixels.std()) - 73.6) < 5


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (GREY.astype(np.float32), "its values go from 0 to 252, and in floating-point images"),
        (GREY.astype(np.float32) / -255, "they have to lie in 0 to 1"),
        (np.full((8, 8), np.nan, np.float32), "not finite"),
        (WIDE.astype(np.int32), "go from 0 to 64764, and in 32-bit images they have to lie in"),
        (-WIDE.astype(np.int32), "32-bit images they have to lie in 0 to 255"),
    ],
)
def test_numbers_without_a_known_range_are_refused(
    tmp_path: Path, values: NDArray[Any], words: str
) -> None:
    file = saved(tmp_path / "x.tiff", Image.fromarray(values))
    with pytest.raises(Fault, match=words) as fault:
        decoded(file)
    assert str(file) in str(fault.value)


def test_tiff_by_its_declared_depth(tmp_path: Path) -> None:
    file, signed = tmp_path / "x.tiff", GREY.astype("<i2")
    for made in (
        tiff(file, 12, 1, 1, twelve_bits(GREY)),
        tiff(file, 16, 2, 1, (signed * 128).tobytes()),
        tiff(file, 16, 1, 0, (65535 - WIDE).astype("<u2").tobytes()),  # zero is white
        tiff(file, 32, 3, 0, (1 - GREY / 255).astype("<f4").tobytes()),
        tiff(file, 8, 2, 1, (GREY // 2).tobytes()),
        tiff(file, 32, 1, 1, GREY.astype("<u4").tobytes()),
    ):
        assert (np.abs(decoded(made).astype(int) - GREY) <= 1).all()
    for bits, data in ((8, GREY.tobytes()), (16, (signed * -128).tobytes())):
        with pytest.raises(Fault, match="below zero|with a sign they have to lie in 0 to 32767"):
            decoded(tiff(file, bits, 2, 1, data))


def test_fewer_bits_and_palettes(tmp_path: Path) -> None:
    black = Image.fromarray(GREY > 100)
    assert set(decoded(saved(tmp_path / "x.png", black)).ravel()) == {0, 255}
    assert set(decoded(saved(tmp_path / "x.tiff", black)).ravel()) == {0, 255}
    palette = Image.fromarray(COLOUR).quantize(200)
    colours = np.asarray(palette.convert("RGB"))
    assert (decoded(saved(tmp_path / "p.png", palette)) == colours).all()
    assert (decoded(saved(tmp_path / "p.gif", palette)) == colours).all()


def over_white(values: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[Any]:
    share = alpha.astype(float).reshape(*alpha.shape, *[1] * (values.ndim - 2)) / 255
    return values * share + 255 * (1 - share)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "coloured"])
def test_transparent_images_lie_on_white(
    tmp_path: Path, suffix: str, values: NDArray[np.uint8]
) -> None:
    if suffix == "webp" and values.ndim == 2:
        pytest.skip("WebP has no grey")
    image = Image.fromarray(np.dstack([values, GREY.T]))
    settings = {"lossless": True, "exact": True} if suffix == "webp" else {}
    found = decoded(saved(tmp_path / f"x.{suffix}", image, **settings))
    assert (np.abs(found - over_white(values, GREY.T)) <= 1).all()


def test_a_colour_that_stands_for_transparent(tmp_path: Path) -> None:
    grey = decoded(saved(tmp_path / "l.png", Image.fromarray(GREY), transparency=0))
    assert (grey == np.where(GREY == 0, 255, GREY)).all()
    wide = decoded(saved(tmp_path / "w.png", Image.fromarray(WIDE), transparency=0))
    assert (wide == np.where(GREY == 0, 255, GREY)).all()
    colour = decoded(saved(tmp_path / "c.png", Image.fromarray(COLOUR), transparency=(0, 0, 255)))
    assert (colour[0, 0] == 255).all() and (colour[1:] == COLOUR[1:]).all()
    palette = Image.fromarray(COLOUR).quantize(20)
    clear = int(np.asarray(palette)[3, 3])
    for suffix in ("png", "gif"):
        found = decoded(saved(tmp_path / f"p.{suffix}", palette, transparency=clear))
        assert (found[np.asarray(palette) == clear] == 255).all()


def test_black_strokes_on_a_transparent_ground_are_seen(tmp_path: Path) -> None:
    strokes = np.dstack([np.zeros((8, 8, 3), np.uint8), (GREY > 100) * np.uint8(255)])
    found = decoded(saved(tmp_path / "x.png", Image.fromarray(strokes)))
    assert set(found.ravel()) == {0, 255}


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colours_become_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(COLOUR)
    if mode == "LAB":
        rgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
        image = ImageCms.profileToProfile(image, rgb, lab, outputMode="LAB") or image
    else:
        image = image.convert(mode)
    assert image.mode == mode
    found = decoded(saved(tmp_path / "x.tiff", image)).astype(int)
    # Lab in 8 bits has few steps, and sRGB has colours that it rounds.
    assert np.abs(found - COLOUR).mean() < (12 if mode == "LAB" else 2)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_followed(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = np.zeros((6, 10, 3), np.uint8)
    stored[:3, :5] = 255  # the upper left quarter
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings: dict[str, Any] = {"jpg": {"quality": 100}, "webp": {"lossless": True}}.get(suffix, {})
    file = saved(tmp_path / f"x.{suffix}", Image.fromarray(stored), exif=exif, **settings)
    # EXIF 2.3, tag 0x0112: where row 0 and column 0 of what is stored are to be seen.
    upright = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.transpose(1, 0, 2), 6: stored[::-1].transpose(1, 0, 2),
        7: stored[::-1, ::-1].transpose(1, 0, 2), 8: stored[:, ::-1].transpose(1, 0, 2),
    }[orientation]  # fmt: skip
    assert shape(str(file)) == (3, *upright.shape[:2])
    assert (np.abs(decoded(file).astype(int) - upright) < 10).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_damaged_orientation_is_none(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(COLOUR)
    file = saved(tmp_path / f"x.{suffix}", image, exif=b"Exif\0\0MM\0*\xff\xff\xff\xf0\0")
    assert decoded(file).shape == (8, 8, 3)


def test_images_of_one_colour_are_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(30):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8) if number % 10 else GREY * 0
        pixels[0, 0] += number // 10  # so that they are no copies
        Image.fromarray(pixels * (number % 10 > 0) + np.uint8(number // 10)).save(
            folder / f"{number}.png"
        )
    task = ImageFolder(str(tmp_path), valid_fraction=0.01, test_fraction=0.01)
    task.split("train")
    assert any("train images have one colour all over" in line for line in task.splits.notices)


def test_large_images_are_converted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rgba = Image.fromarray(np.dstack([COLOUR, GREY]))
    images = [Image.fromarray(WIDE), Image.fromarray(WIDE / np.float32(65535)), rgba]
    images += [rgba.convert("RGB").convert(mode) for mode in ("L", "CMYK", "YCbCr", "LAB", "P")]
    for name in (0, -1):  # 16 bits and a palette, in which a number stands for transparent
        images[name].info["transparency"] = int(np.asarray(images[name])[0, 1])
    for image, mode in itertools.product(images, ("L", "RGB")):
        whole = np.asarray(pixels.eight_bits(image, mode))
        for most in (5, 20):
            monkeypatch.setattr(pixels, "_PART", most)
            assert (np.asarray(pixels.eight_bits(image, mode)) == whole).all(), (image, most)
        monkeypatch.undo()


def test_floats_beside_their_image_take_little_memory() -> None:
    image = Image.new("F", (3000, 3000), 0.5)  # 36 MB
    tracemalloc.start()
    plain = pixels.eight_bits(image, "L")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert plain.getpixel((2999, 2999)) == 128
    assert peak < 30e6
