"""One shared library out of the C files here, by the user's own compiler, kept in a cache.

Nothing but a whole library that has passed its own check on this processor ever gets its name, and
that name says of what it was made, with what and for which processor. So processes that compile at
once, and those that are killed meanwhile, do not disturb each other.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nascli.core import cache

SOURCES = Path(__file__).parent
# No -ffast-math: gcc would link code that lets all of the process compute without small numbers.
_FLAGS = "-std=gnu11 -O3 -fno-math-errno -fno-trapping-math -fPIC -shared"
_CHECK = "import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).nas_check(1))"
_SECONDS = 300  # in which a compiler has to be done


class Unavailable(Exception):  # noqa: N818 - no error: torch computes then
    """Why there is no library, in one line."""


def library(told: Callable[[str], None] = lambda _text: None) -> ctypes.CDLL:
    """The library, compiled if the cache does not have it; `told` hears of that before.

    Raises:
        Unavailable: it cannot be had.
    """
    compiler, version = _compiler()
    files = map(str, sorted(SOURCES.glob("*.c")))
    more = shlex.split(os.environ.get("NASCLI_CFLAGS", ""))
    command = [*compiler, *files, *_flags(version), *more]
    name = hashlib.sha256("\0".join([*command, version, _processor(), sources()]).encode())
    reasons = []
    for folder in _folders():
        try:
            _claim(folder)
            return _loaded(folder / f"{name.hexdigest()[:32]}.so", command, told)
        except (OSError, Unavailable) as error:
            reasons.append(str(error))
    raise Unavailable(" and ".join(dict.fromkeys(reasons)))


def sources() -> str:
    """A hash of what is compiled."""
    files = sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")])
    texts = (f"{file.name}\0".encode() + file.read_bytes() for file in files)
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def _compiler() -> tuple[list[str], str]:
    """The compiler's command, and what it says of itself."""
    if os.name != "posix":
        raise Unavailable(f"there are none for {platform.system()}")
    wanted = shlex.split(os.environ.get("CC", ""))
    names = [wanted] if wanted else [["cc"], ["gcc"], ["clang"]]
    command = next((name for name in names if shutil.which(name[0])), None)
    if command is None:
        raise Unavailable(f"CC={wanted[0]} is no program" if wanted else "there is no C compiler")
    return command, _run("the compiler", [*command, "--version"])


def _flags(version: str) -> list[str]:
    """What suits the compiler, the processor and the threads of torch."""
    native = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"
    flags = [*_FLAGS.split(), native]
    runtime, takes_clang = _runtime()
    if runtime is None or ("clang" in version and not takes_clang):
        return flags  # one thread
    # The very library that torch computes with, so that there are not two crews of threads; a wheel
    # may have its own under a name of its own, and then the compiler's is not linked.
    linked = [str(runtime), f"-Wl,-rpath,{runtime.parent}"]
    if sys.platform == "darwin":
        return [*flags, "-Xpreprocessor", "-fopenmp", *linked]
    return [*flags, "-fopenmp", "-Wl,--as-needed", *linked]


class _Found(ctypes.Structure):
    """What dladdr tells of an address (Dl_info)."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def _runtime() -> tuple[Path | None, bool]:
    """The file of the OpenMP library that torch computes with, and whether clang's code fits it."""
    import torch

    ending = "dylib" if sys.platform == "darwin" else "so"
    try:
        of_torch = ctypes.CDLL(f"{Path(torch.__file__).parent}/lib/libtorch_cpu.{ending}")
        address = ctypes.cast(of_torch.omp_get_max_threads, ctypes.c_void_p)
        found = _Found()
        if not ctypes.CDLL(None).dladdr(address, ctypes.byref(found)):
            return None, False
    except (OSError, AttributeError):  # torch is built in another way
        return None, False
    return Path(os.fsdecode(found.file)), hasattr(of_torch, "__kmpc_fork_call")


def _processor() -> str:
    """What the compiler may make use of: a home may be shared by machines that differ."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:  # noqa: PTH123
            lines = info.read(1 << 14).partition("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.version()}"
    told = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")
    return "\n".join(line for line in lines if line.partition(":")[0].strip() in told)


def _folders() -> Iterator[Path]:
    own = cache.folder("kernels")
    if own is not None:
        yield own
    yield Path(tempfile.gettempdir()) / f"nascli-{os.getuid()}"


def _claim(folder: Path) -> None:
    """Makes the folder, or sees that nobody else can have put anything there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    said = folder.lstat()
    if not stat.S_ISDIR(said.st_mode) or said.st_uid != os.getuid() or said.st_mode & 0o077:
        raise Unavailable(f"{folder} is not a folder that only you can use")
    if os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise Unavailable(f"{folder} may not hold programs (noexec)")


def _loaded(file: Path, command: Sequence[str], told: Callable[[str], None]) -> ctypes.CDLL:
    if file.exists():
        with contextlib.suppress(OSError):  # damaged, where the machine has crashed
            return _checked(file)
    told("compiling kernels for this processor, once; this takes some seconds")
    number, temporary = tempfile.mkstemp(".so", ".", file.parent)
    try:
        _run("the compiler", [*command, "-o", temporary])
        # In a process of its own, for code that does not fit the processor would end this one.
        _run("their check", [sys.executable, "-I", "-S", "-c", _CHECK, temporary])
        os.fsync(number)
        os.replace(temporary, file)  # noqa: PTH105
    finally:
        os.close(number)
        Path(temporary).unlink(missing_ok=True)
    return _checked(file)


def _checked(file: Path) -> ctypes.CDLL:
    """What the file has, which is thrown away where it does not compute what it should."""
    found = ctypes.CDLL(str(file))
    if found.nas_check(0):
        file.unlink(missing_ok=True)
        raise Unavailable(f"{file} computes wrongly here and is thrown away")
    return found


def _run(what: str, command: Sequence[str]) -> str:
    """What a program says; it may not fail."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what} fails: {error}") from error
    if done.returncode:
        lines = done.stderr.splitlines()
        said = [line for line in lines if "error" in line.lower()] or lines[-1:]
        told = said[0].strip() if said else f"exit code {done.returncode}"
        raise Unavailable(f"{what} fails: {told:.200}")
    return done.stdout
