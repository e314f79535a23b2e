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

from omegaconf import DictConfig, OmegaConf

import nascli
from nascli.devices.cpu import processor
from nascli.runs.folder import CONFIG

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


def papers(
    config: DictConfig, choices: Mapping[str, str], overrides: Sequence[str]
) -> dict[str, str]:
    """The files that a run folder starts with: all it takes to run it again."""
    environment = _environment(config, choices, overrides)
    return {
        CONFIG: OmegaConf.to_yaml(config),
        "environment.json": json.dumps(environment, indent=2) + "\n",
    }


def _environment(
    config: DictConfig, choices: Mapping[str, str], overrides: Sequence[str]
) -> dict[str, object]:
    """Command line, versions, commit and machine, as JSON-ready values."""
    return {
        "command": shlex.join([*sys.argv[0].split(), *sys.argv[1:]]),
        "overrides": [_absolute(override, config) for override in overrides],
        "choices": dict(choices),
        "seed": config.seed,
        "nascli": nascli.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
    }


def _absolute(override: str, config: DictConfig) -> str:
    """A path as the config now has it, which holds from any folder."""
    key = override.partition("=")[0]
    return f"{key}='{OmegaConf.select(config, key)}'" if key == "data.path" else override


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
