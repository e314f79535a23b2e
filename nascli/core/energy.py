"""Counters of the energy that hardware has used: RAPL of processors, NVML of NVIDIA GPUs.

RAPL by Linux's powercap (Documentation/power/powercap), which has it of Intel's and AMD's: one
counter for each package, all cores and caches of a processor whatever runs on them. NVML:
nvmlDeviceGetTotalEnergyConsumption, of a whole GPU of the Volta generation or a later one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Protocol

from nascli.core.fault import Fault

POWERCAP = Path("/sys/class/powercap")
_NVML = "nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1"


class Counter(Protocol):
    """Counts energy from the moment that it is made."""

    @property
    def period(self) -> float:
        """Seconds between two of its updates, at most."""

    def millijoules(self) -> float:
        """What has been used so far.

        Raises:
            Fault: it cannot be read any more.
        """


class Rapl:
    """The processor packages of this machine, added up.

    Args:
        folder: where Linux shows them.

    Raises:
        Fault: there is none, or it is for root only; says what to do.
    """

    period = 0.001

    def __init__(self, folder: Path = POWERCAP) -> None:
        zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if _package(zone)]
        if not zones:
            raise Fault(
                f"this machine shows no energy counter of its processor ('{folder}/intel-rapl:0' "
                "is not there): only Linux does, and few virtual machines"
            )
        self._files = [zone / "energy_uj" for zone in zones]
        self._last = [_number(file) for file in self._files]
        self._turns = [_number(zone / "max_energy_range_uj") for zone in zones]
        self._microjoules = 0

    def millijoules(self) -> float:
        """See `Counter`; right as long as no counter turns over twice between two calls."""
        now = [_number(file) for file in self._files]
        for before, after, turn in zip(self._last, now, self._turns, strict=True):
            self._microjoules += after - before + (turn if after < before else 0)
        self._last = now
        return self._microjoules / 1e3


def _number(file: Path) -> int:
    """What stands in a file of powercap.

    Raises:
        Fault: it may not be read, or holds something else.
    """
    try:
        return int(file.read_text())
    except PermissionError as error:
        raise Fault(
            f"the energy counter '{file}' is for root only: let others read it, until the next "
            f"boot, with: sudo chmod a+r {file.parents[1]}/intel-rapl:*/energy_uj"
        ) from error
    except (OSError, ValueError) as error:
        raise Fault(f"the energy counter '{file}' cannot be read: {error}") from error


def _package(zone: Path) -> bool:
    """Whether it is a processor package: no part of one, and not the whole board (`psys`)."""
    name = zone / "name"
    named = name.read_text().startswith("package") if name.is_file() else True
    return named and re.fullmatch(r"intel-rapl:\d+", zone.name) is not None


class Nvml:
    """A GPU.

    Args:
        uuid: its identifier, as CUDA has it.
        library: NVIDIA's management library; None: the one that came with the driver.

    Raises:
        Fault: there is no such library, GPU or counter.
    """

    period = 0.1  # the slowest seen

    def __init__(self, uuid: str, library: Any = None) -> None:
        import ctypes  # here: few searches need it

        try:
            self._library = library or ctypes.CDLL(_NVML)
        except OSError as error:
            raise Fault(f"'{_NVML}', which reads a GPU's energy counter, is not there") from error
        self._library.nvmlErrorString.restype = ctypes.c_char_p
        self._gpu = ctypes.c_void_p()
        self._call("nvmlInit_v2")
        self._call("nvmlDeviceGetHandleByUUID", f"GPU-{uuid}".encode(), ctypes.byref(self._gpu))
        self._first = self._read()

    def millijoules(self) -> float:
        """See `Counter`."""
        return float(self._read() - self._first)

    def _read(self) -> int:
        import ctypes

        found = ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", self._gpu, ctypes.byref(found))
        return found.value

    def _call(self, name: str, *args: Any) -> None:
        code = getattr(self._library, name)(*args)
        if code:
            said = self._library.nvmlErrorString(code).decode()
            raise Fault(f"the GPU's energy counter cannot be read: {said} ({name})")
