"""Opens regular files only: a named pipe or a device would hang or never end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from nascli.core.fault import Fault

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
# Without waiting, because to open a named pipe is to wait for somebody who writes.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def opened(path: Path | str) -> BinaryIO:
    """The file, to be read as bytes; links are followed.

    Raises:
        OSError: it cannot be opened.
        Fault: it is no regular file.
    """
    number = os.open(path, _FLAGS)
    try:
        _size(number, path)
    except BaseException:
        os.close(number)
        raise
    return open(number, "rb")  # noqa: PTH123 - a number is no path


def contents(path: Path | str, most: int) -> bytes:
    """All bytes of the file; links are followed.

    Raises:
        OSError: it cannot be read.
        Fault: it is no regular file, or has more than `most` bytes.
    """
    number = os.open(path, _FLAGS)
    try:
        size = _size(number, path)
        if size > most:
            raise Fault(f"{path} has {size:,} bytes; the most that is read are {most:,}")
        data = os.read(number, size)
        while 0 < len(data) < size and (more := os.read(number, size - len(data))):
            data += more
        return data
    finally:
        os.close(number)


def _size(number: int, path: Path | str) -> int:
    """Bytes of an open file that is a regular one."""
    said = os.fstat(number)
    kind = stat.S_IFMT(said.st_mode)
    if kind != stat.S_IFREG:
        raise Fault(f"{path} is {_KINDS.get(kind, 'no file')}; it must be a regular file")
    return said.st_size


def is_there(text: str) -> bool:
    """Whether it is the path of something; what is too long or too odd for a path is none."""
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False
