"""What a run needs on record to be run again."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import nascli
from nascli.core import cores
from nascli.devices.processor import processor
from nascli.runs.folder import CONFIG, ENVIRONMENT

_PACKAGES = (
    "torch",
    "torchvision",
    "hydra-core",
    "omegaconf",
    "numpy",
    "scikit-learn",
    "scipy",
    "optuna",
    "ray",
)


def initial_files(
    config: str, *, command: str, choices: Mapping[str, str], overrides: Sequence[str], seed: int
) -> dict[str, str]:
    """Name -> text of the files that a run folder starts with: all it takes to run it again.

    Args:
        config: the composed config as YAML, with its interpolations.
        command: the command line.
        choices: config group -> which of its options was chosen.
        overrides: what the command line said, word by word.
        seed: of the run.
    """
    recorded = record(command=command, choices=choices, overrides=overrides, seed=seed)
    return {CONFIG: config, ENVIRONMENT: json.dumps(recorded, indent=2) + "\n"}


def record(
    *, command: str, choices: Mapping[str, str], overrides: Sequence[str], seed: int
) -> dict[str, object]:
    """Command line, versions, commit and machine, as JSON-ready values."""
    return {
        "command": command,
        "overrides": list(overrides),
        "choices": dict(choices),
        "seed": seed,
        "nascli": nascli.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores.usable(),
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
