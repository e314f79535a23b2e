"""Shared weights: those of a search, or another run's for an audit: `supernet=RUN_FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli.config import recorded, values
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import SharedWeights, Trainer
from nascli.core.traits import traits_of
from nascli.runs.folder import CONFIG

_OF_THE_RUN = ("space", "data", "training", "seed")  # what shared weights belong to


def of(config: DictConfig, made: Problem) -> SharedWeights | None:
    """What strategy and estimator share; None if neither has the trait `weight_sharing`."""
    if sharing(config, "strategy"):
        return new(made, "strategy")
    return new(made, "estimator") if sharing(config, "estimator") else None


def new(made: Problem, trainer: Trainer) -> SharedWeights:
    """Shared weights that `trainer` trains."""
    from nascli.supernet.shared import Shared

    return Shared(made, trainer)


def sharing(config: DictConfig, key: str) -> bool:
    """Whether `config[key]` takes shared weights."""
    part = values.made_by(config, key)
    return part is not None and traits_of(part).weight_sharing


def check(config: DictConfig) -> None:
    """Raises a Fault where an estimator wants shared weights and there are none."""
    for key in ("estimator", "reference"):
        if not sharing(config, key):
            continue
        part = values.made_by(config, key)
        if key == "reference" or not config.supernet:
            raise Fault(
                f"{key}: {part.__name__} scores with shared weights, and an audit trains none; "
                "give supernet=RUN_FOLDER of a nas search with strategy=darts or "
                "estimator=one_shot, or take another estimator"
            )
        check_workers(config, part)


def check_workers(config: DictConfig, part: Any) -> None:
    """Raises a Fault where the workers are out of reach of the weights that `part` shares."""
    if traits_of(values.made_by(config, "workers")).own_processes:
        raise Fault(f"{part.__name__} needs the supernet in this process; take workers=serial")


def check_overrides(config: DictConfig, overrides: Sequence[str]) -> None:
    """Raises a Fault where the command line wants another network than the supernet's."""
    keys = [text.lstrip("+~").partition("=")[0] for text in overrides]
    bad = [key for key in keys if key.split(".")[0].split("@")[0] in _OF_THE_RUN]
    if config.supernet and bad:
        raise Fault(
            f"{', '.join(bad)} cannot be chosen with supernet=...: {', '.join(_OF_THE_RUN)} are "
            "those of its run"
        )


def adopt(config: DictConfig, directories: Sequence[Path] = ()) -> None:
    """Takes space, data, recipe and seed from the run that has trained the supernet."""
    folder = Path(str(config.supernet)).expanduser().resolve()
    if not (folder / CONFIG).is_file():
        raise Fault(f"supernet={config.supernet} is not a run folder: it has no {CONFIG}")
    its = recorded.load(folder, directories)
    for key in _OF_THE_RUN:
        config[key] = its[key]
    config.supernet = str(folder)
