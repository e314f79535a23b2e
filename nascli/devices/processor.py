"""The name of this machine's processor."""

from __future__ import annotations

import platform
from pathlib import Path


def processor() -> str:
    """The processor's name as its maker gives it, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
