"""What a run needs on record to be run again."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import nascli
from nascli.devices.cpu import processor
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
    config: Mapping[str, Any], choices: Mapping[str, str], overrides: Sequence[str]
) -> dict[str, str]:
    """Name -> text of the files that a run folder starts with: all it takes to run it again.

    Args:
        config: the composed config, with its interpolations.
        choices: config group -> which of its options was chosen.
        overrides: what the command line said, word by word.
    """
    from omegaconf import OmegaConf

    recorded = record(config, choices, overrides)
    return {
        CONFIG: OmegaConf.to_yaml(config),
        ENVIRONMENT: json.dumps(recorded, indent=2) + "\n",
    }


def record(
    config: Mapping[str, Any], choices: Mapping[str, str], overrides: Sequence[str]
) -> dict[str, object]:
    """Command line, versions, commit and machine, as JSON-ready values."""
    return {
        "command": shlex.join([*sys.argv[0].split(), *sys.argv[1:]]),
        "overrides": [_absolute(override, config) for override in overrides],
        "choices": dict(choices),
        "seed": config["seed"],
        "nascli": nascli.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
    }


def _absolute(override: str, config: Mapping[str, Any]) -> str:
    """A path as the config now has it, which holds from any folder."""
    key = override.partition("=")[0]
    return f"{key}='{config['data']['path']}'" if key == "data.path" else override


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
