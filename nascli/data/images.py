"""Opens and decodes image files: raster formats that PIL decodes by itself, and nothing else."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nascli.core.fault import Fault
from nascli.core.regular import contents
from nascli.data import pixels

# PIL picks the decoder by what a file holds, not by its name. Left out are those that start a
# program (EPS), hand over to whatever has been registered (WMF, BUFR, GRIB, HDF5, FITS), open
# files within files by content again (IPTC), or decode nothing (MPEG).
_SUFFIXES = {
    "JPEG": ".jpg .jpeg .jpe .jfif .mpo",
    "PNG": ".png .apng",
    "BMP": ".bmp",
    "GIF": ".gif",
    "WEBP": ".webp",
    "TIFF": ".tif .tiff",
    "PPM": ".ppm .pgm .pbm .pnm .pfm",
    "AVIF": ".avif .avifs",
    "JPEG2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
    "BLP": ".blp",
    "CUR": ".cur",
    "DCX": ".dcx",
    "DDS": ".dds",
    "DIB": ".dib",
    "FLI": ".fli .flc",
    "FTEX": ".ftc .ftu",
    "GBR": ".gbr",
    "ICNS": ".icns",
    "ICO": ".ico",
    "IM": ".im",
    "MSP": ".msp",
    "PCD": ".pcd",
    "PCX": ".pcx",
    "PIXAR": ".pxr",
    "PSD": ".psd",
    "QOI": ".qoi",
    "SGI": ".sgi .rgb .rgba .bw",
    "SUN": ".ras",
    "TGA": ".tga .icb .vda .vst",
    "XBM": ".xbm",
    "XPM": ".xpm",
}
SUFFIXES = frozenset(suffix for several in _SUFFIXES.values() for suffix in several.split())
SUFFIXES_1 = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)  # with rule 1 of the splits, whose draw follows from the number of files
_MOST_PIXELS = 50_000_000  # less than a gigabyte in any mode, with all that is made on the way
_MOST_BYTES = 1_000_000_000

# What PIL would print in the middle of things: our own limit of pixels, or a Fault, says it better.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def shape(file: str) -> tuple[int, int, int]:
    """(channels, height, width) of an image: 1 channel if it is grey, else 3."""
    image = _opened(file, _read(file))
    return (1 if pixels.grey(image) else 3), *pixels.size(image)


@dataclass(frozen=True)
class Decoder:
    """Makes an array of `shape` (channels, height, width) from an image file.

    With `resize` an image is scaled until it just covers that size, then cropped at the centre.
    With `fade` a coloured image may become grey. Grey images become coloured by repetition;
    whatever else becomes of pixels is in docs/data.md.
    """

    shape: tuple[int, int, int]
    resize: bool = False
    fade: bool = False

    def __call__(self, file: str) -> NDArray[np.uint8]:
        """The image as (height, width, channels).

        Raises:
            Fault: it cannot be read, or does not fit `shape`; the message names the file.
        """
        channels, height, width = self.shape
        image = _opened(file, _read(file))
        self._fits(image, file)
        plain = _plain(image, file, "L" if channels == 1 else "RGB")
        del image  # a large one has to be gone before its array is made
        if plain.size != (width, height):
            if not self.resize:
                raise self._other_size(file, plain.height, plain.width)
            plain = _covering(plain, height, width)
        return np.asarray(plain).reshape(height, width, channels)

    def check(self, file: str) -> None:
        """Raises a Fault if the image could not be had; as cheap as the format allows."""
        data = _read(file)
        image = _opened(file, data)
        self._fits(image, file)
        height, width = pixels.size(image)
        if not self.resize and (height, width) != self.shape[1:]:
            raise self._other_size(file, height, width)
        # A JPEG ends with a marker; of others only decoding tells whether they are whole.
        if image.format != "JPEG" or data[-2:] != b"\xff\xd9":
            self(file)

    def _fits(self, image: Image.Image, file: str) -> None:
        if self.shape[0] == 1 and not pixels.grey(image) and not self.fade:
            raise Fault(
                f"{file} is coloured, but the first image is grey; set data.channels=3 to "
                "take all as coloured, or data.channels=1 to take all as grey"
            )

    def _other_size(self, file: str, height: int, width: int) -> Fault:
        return Fault(
            f"the images differ in size: {file} has {height}x{width} pixels, "
            f"the first has {self.shape[1]}x{self.shape[2]}; set data.image_size=PIXELS to have "
            "all resized and cropped"
        )


@cache
def _formats() -> tuple[str, ...]:
    """Those that this PIL has, the most common first."""
    Image.init()
    return tuple(name for name in _SUFFIXES if name in Image.OPEN)


def _read(file: str) -> bytes:
    """The whole file."""
    try:
        return contents(file, _MOST_BYTES)
    except OSError as error:
        raise Fault(f"cannot read image {file}: {error.strerror}") from error


def _opened(file: str, data: bytes) -> Image.Image:
    """The image with its header read."""
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
    except UnidentifiedImageError as error:
        raise Fault(f"cannot read image {file}: it is in no known image format") from error
    except Exception as error:  # decoders raise whatever they like
        raise Fault(f"cannot read image {file}: {_first(error)}") from error
    _check_size(image, file)
    return image


def _check_size(image: Image.Image, file: str) -> None:
    if image.width * image.height > _MOST_PIXELS:
        raise Fault(
            f"image {file} has {image.width:,}x{image.height:,} pixels; the most are "
            f"{_MOST_PIXELS:,}: scale it down"
        )
    if not image.width * image.height:
        raise Fault(f"image {file} has no pixels")


def _plain(image: Image.Image, file: str, mode: str) -> Image.Image:
    try:
        image.load()
    except Exception as error:  # decoders raise whatever they like
        raise Fault(f"cannot read image {file}: {_first(error)}") from error
    _check_size(image, file)  # an icon's may be other than its header says
    try:
        return pixels.eight_bits(image, mode)
    except Fault as fault:
        raise Fault(f"cannot read image {file}: {fault}") from fault
    except Exception as error:  # decoders raise whatever they like
        raise Fault(f"cannot read image {file}: {_first(error)}") from error


def _first(error: Exception) -> str:
    """What an error says, or is, in a line."""
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def _covering(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = max(height / image.height, width / image.width)
    size = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
