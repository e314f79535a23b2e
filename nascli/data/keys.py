"""What identifies an image: a hash of its content, 64 bits, the same on every machine.

For files it is that of their bytes, for arrays that of their pixels. Among a million images two
different ones share a key with a probability of 3e-8.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core import cache
from nascli.core.fault import Fault
from nascli.core.regular import contents

Keys = NDArray[np.uint64]

_LARGE = 1 << 16  # bytes from which on reading and hashing leave the interpreter to other threads
_MOST_BYTES = 1_000_000_000
_SLOW = 5.0  # seconds of hashing that are worth a file
_KNOWN: dict[bytes, Keys] = {}  # of this process: a multirun reads the same images again and again


def of_array(images: NDArray[Any]) -> Keys:
    """Keys of the images (N, H, W, C)."""
    head = repr((images.dtype.str, images.shape[1:])).encode()
    found = bytearray()
    for begin in range(0, len(images), 1024):
        for image in np.ascontiguousarray(images[begin : begin + 1024]):
            found += hashlib.blake2b(image, digest_size=8, key=head[:64]).digest()
    return np.frombuffer(bytes(found), "<u8").astype(np.uint64)


def of_files(files: Sequence[str]) -> Keys:
    """Keys of the files; each is read once for as long as size, times and inode stay.

    What took more than some seconds is kept in the user's cache folder for the next run.

    Raises:
        Fault: one cannot be read.
    """
    sizes, stamps = [], hashlib.blake2b(digest_size=16)
    for file in files:
        try:
            said = os.stat(file)  # noqa: PTH116 - Path would take longer than the rest
        except OSError as error:
            raise Fault(f"cannot read image {file}: {error.strerror}") from error
        sizes.append(said.st_size)
        times = (said.st_size, said.st_mtime_ns, said.st_ctime_ns, said.st_ino)
        stamps.update(f"{file}\0{times}\n".encode("utf-8", "surrogateescape"))
    name = stamps.digest()
    found = _KNOWN.get(name)
    if found is None:
        folder = cache.folder("keys")
        kept = folder / f"{name.hex()}.keys" if folder else None
        found = _cached(kept, len(files)) if kept else None
        if found is None:
            start = time.monotonic()
            found = _hashed(files, large=sum(sizes) > _LARGE * len(sizes))
            if kept and time.monotonic() - start > _SLOW:
                _keep(kept, found)
    while len(_KNOWN) >= 16:
        del _KNOWN[next(iter(_KNOWN))]
    _KNOWN[name] = found
    return found


def _hashed(files: Sequence[str], *, large: bool) -> Keys:
    if large:
        with ThreadPoolExecutor(4) as threads:
            digests = list(threads.map(_digest, files))
    else:
        digests = [_digest(file) for file in files]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _digest(file: str) -> bytes:
    try:
        return hashlib.blake2b(contents(file, _MOST_BYTES), digest_size=8).digest()
    except OSError as error:
        raise Fault(f"cannot read image {file}: {error.strerror}") from error


def _cached(file: Path, count: int) -> Keys | None:
    """What `_keep` wrote; None if it is not there whole."""
    try:
        data = contents(file, 8 * count + 16)
    except (OSError, Fault):
        return None
    if len(data) != 8 * count + 16 or _seal(data[:-16]) != data[-16:]:
        return None
    return np.frombuffer(data[:-16], "<u8").astype(np.uint64)


def _keep(file: Path, keys: Keys) -> None:
    """Writes the keys beside those of other folders; where that cannot be, they are not kept."""
    data = keys.astype("<u8").tobytes()
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data + _seal(data))
        temporary.replace(file)


def _seal(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
