"""Reads arrays from an .npz file that may come from anyone: headers first, then what they claim."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.core.regular import opened
from nascli.data.values import gigabytes, memory

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the two that NumPy writes
_MOST = 1033  # bytes that a byte of deflate can stand for


class Archive:
    """An .npz file, opened anew for every array; pickled objects are refused.

    Raises:
        Fault: there is no such file, or it is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with opened(path) as file:
                if file.read(6) == npy.MAGIC_PREFIX:
                    raise Fault(
                        f"data.path={path} is a lone array; an .npz file of several is needed"
                    )
                file.seek(0)
                with zipfile.ZipFile(file) as archive:
                    listed = archive.namelist()
        except Fault:
            raise
        except Exception as error:  # a damaged archive raises whatever it likes
            said = error.strerror if isinstance(error, OSError) else error
            raise Fault(f"cannot read data.path={path} as an .npz file: {said}") from error
        self.names = tuple(name.removesuffix(".npy") for name in listed)

    def array(self, name: str) -> NDArray[Any]:
        """The array of that name.

        Raises:
            Fault: there is none, or it is not what its header says; nothing is allocated then.
        """
        if name not in self.names:
            there = ", ".join(self.names[:20]) or "nothing"
            raise Fault(f"{self._path} has no array {name}; it holds: {there}")
        try:
            with opened(self._path) as file, zipfile.ZipFile(file) as archive:
                listed = archive.namelist()
                member = archive.getinfo(f"{name}.npy" if f"{name}.npy" in listed else name)
                self._check_member(member, file)
                with archive.open(member) as stream:
                    return self._read(stream, member, name)
        except Fault as fault:
            raise Fault(f"cannot read {name} of {self._path}: {fault}") from fault
        except Exception as error:  # headers are parsed as Python, which has many kinds of error
            said = str(error)[:200] or type(error).__name__
            raise Fault(f"cannot read {name} of {self._path}: {said}") from error

    def _check_member(self, member: zipfile.ZipInfo, file: IO[bytes]) -> None:
        if member.compress_type not in _METHODS:
            raise Fault("it is packed in a way that NumPy does not; np.savez_compressed packs it")
        most = file.seek(0, io.SEEK_END)
        packed = member.compress_size
        if packed > most or member.file_size > _MOST * packed:
            raise Fault(f"its entry claims {_size(member.file_size)} in a file of {_size(most)}")

    def _read(self, stream: IO[bytes], member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
        version = npy.read_magic(stream)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise Fault(f"it has version {version} of the npy format; 1.0 and 2.0 are read")
        shape, in_columns, dtype = readers[version](stream)
        if dtype.hasobject:
            raise Fault("it holds Python objects, which are never loaded; give numbers")
        if dtype.kind not in "biufUSc" or dtype.names is not None:
            raise Fault(f"it holds {dtype}; give numbers")
        claimed = math.prod(shape) * dtype.itemsize
        there = member.file_size - stream.tell()
        if claimed != there:
            raise Fault(
                f"its header claims {dtype} {shape}, which is {_size(claimed)}, but it has "
                f"{_size(there)}; {name} is damaged"
            )
        if claimed > memory():
            raise Fault(
                f"it takes {_size(claimed)} of memory; this machine has {gigabytes(memory())}"
            )
        found = np.empty(math.prod(shape), dtype)
        view, filled = found.view(np.uint8) if claimed else found, 0
        while filled < claimed:
            block = stream.read(min(1 << 22, claimed - filled))
            if not block:
                raise Fault(f"{name} ends after {filled:,} of {claimed:,} bytes")
            view[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
            filled += len(block)
        stream.read(1)  # the end, where its checksum is looked at
        return found.reshape(shape, order="F" if in_columns else "C")


def _size(count: int) -> str:
    """Bytes as people say them."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20)):
        if count >= factor:
            return f"{count / factor:,.0f} {unit}"
    return f"{count:,} bytes"
