"""Whether there is a GPU: to be told that there is none should take no second."""

from __future__ import annotations

import ctypes
from pathlib import Path

_FILES = ("nvidiactl", "nvidia0", "dxg", "kfd")  # of NVIDIA's driver, of WSL's, of AMD's
_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")


def cuda_there() -> bool:
    """Whether torch finds a GPU; it is not asked where there is no driver of one."""
    if not any(Path("/dev", name).exists() for name in _FILES) and not any(map(_loads, _LIBRARIES)):
        return False
    import torch

    return torch.cuda.is_available()


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
