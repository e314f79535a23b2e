"""Damages files of every kind that a data set is read from, and reads them.

    python tests/fuzz/fuzz.py KIND COUNT [FIRST]

Every case is one seed: a good file, damaged. Reading it may give an image or a Fault. An escape is
any other exception, more than 5 seconds or a gigabyte, a program started, or a file written; the
script says which seed it was, and ends with 1. A crash of a decoder ends it by itself.
"""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from nascli.core.fault import Fault

SECONDS, BYTES = 5.0, 1_000_000_000
NUMBERS = (0, 1, 2, 3, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
_ARMED = [False]


def image_files() -> list[tuple[str, bytes]]:
    """Suffix and content of good images: every format that PIL writes, in several modes."""
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
            for settings in ({}, {"exif": exif}, {"compression": "tiff_lzw"}):
                stream = io.BytesIO()
                try:
                    image.save(stream, Image.registered_extensions()[f".{suffix}"], **settings)
                except (OSError, ValueError, KeyError, TypeError, AttributeError):
                    continue
                found.append((suffix, stream.getvalue()))
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
            found.append(("npz", stream.getvalue()))
    return found


def record_files() -> list[tuple[str, bytes]]:
    """A good splits.json."""
    from nascli.data import identity
    from nascli.data.synthetic import Synthetic

    return [("json", identity.membership(Synthetic(images=40)).text().encode())]


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


KINDS: dict[str, tuple[Callable[[], list[tuple[str, bytes]]], Callable[[Path], None]]] = {
    "images": (image_files, read_image),
    "arrays": (array_files, read_arrays),
    "records": (record_files, read_record),
}


def damaged(data: bytes, others: list[tuple[str, bytes]], rng: random.Random) -> bytes:
    """The same with one to four places changed."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(made)) if made else 0
        if rng.random() < 0.5:  # headers come first
            place = min(place, rng.randrange(64))
        kind = rng.randrange(8)
        if kind == 0:
            del made[place:]
        elif kind == 1:
            made[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 2:
            size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
            number = rng.choice(NUMBERS) % 256**size
            made[place : place + size] = number.to_bytes(size, order)  # type: ignore[arg-type]
        elif kind == 3:
            del made[place : place + rng.randint(1, 40)]
        elif kind == 4:
            made[place:place] = made[place : place + rng.randint(1, 200)]
        elif kind == 5:
            other = rng.choice(others)[1]
            start = rng.randrange(max(1, len(other)))
            made[place:] = other[start:]
        elif kind == 6:
            made[place : place + rng.randint(1, 16)] = bytes(rng.randint(1, 16))
        elif made:
            made[place] ^= 1 << rng.randrange(8)
    return bytes(made)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _ARMED[0]:
        return
    mode = arguments[1] if event == "open" and len(arguments) > 1 else None
    if event in FORBIDDEN or (isinstance(mode, str) and set(mode) & set("wax+")):
        raise BaseException(f"{event} {arguments!r:.200}")


def main(kind: str, count: int, first: int = 0) -> int:
    """Runs the cases; gives how many escaped."""
    make, read = KINDS[kind]
    files = make()
    sys.addaudithook(_hook)
    escapes = good = 0
    with tempfile.TemporaryDirectory() as folder:
        for suffix, data in files[:1]:  # whatever is imported for it looks for its libraries
            Path(folder, f"x.{suffix}").write_bytes(data)
            read(Path(folder, f"x.{suffix}"))
        for seed in range(first, first + count):
            rng = random.Random(seed)
            suffix, data = rng.choice(files)
            file = Path(folder, f"x.{suffix}")
            file.write_bytes(damaged(data, files, rng))
            start, before = time.monotonic(), _peak()
            said = ""
            _ARMED[0] = True
            try:
                read(file)
                good += 1
            except Fault as fault:
                if str(file) not in str(fault) and kind != "records":
                    said = f"a fault that does not name the file: {fault}"
            except BaseException:
                said = traceback.format_exc()
            finally:
                _ARMED[0] = False
            if time.monotonic() - start > SECONDS:
                said = f"{time.monotonic() - start:.1f} seconds {said}"
            if _peak() - before > BYTES:
                said = f"{(_peak() - before) / 1e9:.1f} GB {said}"
            if said:
                escapes += 1
                print(f"{kind}, seed {seed} (.{suffix}): {said}", flush=True)
    print(json.dumps({"kind": kind, "cases": count, "read": good, "escapes": escapes}))
    return escapes


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1], *map(int, sys.argv[2:]))))
