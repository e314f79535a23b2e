"""What a run needs on record to be run again."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import nascli
from nascli.devices.cpu import processor

_PACKAGES = ("torch", "torchvision", "hydra-core", "omegaconf", "numpy", "scikit-learn")


def environment(
    seed: int, choices: Mapping[str, str], overrides: Sequence[str]
) -> dict[str, object]:
    """Command line, versions, commit and machine, as JSON-ready values."""
    return {
        "command": shlex.join(["nas", *sys.argv[1:]]),
        "overrides": list(overrides),
        "choices": dict(choices),
        "seed": seed,
        "nascli": nascli.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit; None for an installed wheel."""
    checkout = Path(nascli.__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
