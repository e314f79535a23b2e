"""Shared weights: those that a search trains, or another run's: `supernet=RUN_FOLDER`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from nascli.config import recorded, values
from nascli.config.compose import Asked
from nascli.config.files import GIVEN
from nascli.config.overrides import key_of
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import SharedWeights, Trainer
from nascli.core.traits import traits_of
from nascli.programs import images
from nascli.programs.shared_weights import load
from nascli.runs import reading
from nascli.runs.folder import CONFIG

_OF_THE_RUN = ("space", "data", "training", "seed")  # what shared weights belong to
_CARRIED = re.compile(r"\W*((data|space)\.|operation@space)")  # what was said of data and space


def of(config: DictConfig, made: Problem) -> SharedWeights | None:
    """What strategy and estimator share; None if neither has the trait `weight_sharing`.

    Whose weights they are is told the listener.

    Raises:
        Fault: they are to be another run's, and cannot be.
    """
    if config.get("supernet"):
        return _another_runs(config, made)
    if sharing(config, "strategy"):
        return new(made, "strategy")
    return new(made, "estimator") if sharing(config, "estimator") else None


def _another_runs(config: DictConfig, made: Problem) -> SharedWeights:
    """The weights that `config.supernet` has trained, for a search that trains none."""
    wrong = []
    if sharing(config, "strategy"):
        wrong.append(
            f"supernet={config.supernet} is scored and not trained, and this strategy trains "
            "one of its own; take a strategy that only proposes, such as evolution or nsga2"
        )
    if not sharing(config, "estimator"):
        wrong.append(
            "this estimator does not score with shared weights, and "
            f"supernet={config.supernet} gives some; take estimator=one_shot"
        )
    if wrong:
        raise Fault("\n".join(wrong))
    shared, folder = new(made, "nobody"), Path(config.supernet)
    made.listener.warn(load(shared, folder, trained=True))
    images.same(folder, made)
    return shared


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
        if key == "reference" or not config.supernet:
            raise Fault(
                f"{key}: it scores with shared weights, and an audit trains none; "
                "give supernet=RUN_FOLDER of a nas search with strategy=darts or "
                "estimator=one_shot, or take another estimator"
            )
        check_workers(config)


def check_workers(config: DictConfig) -> None:
    """Raises a Fault where the workers are out of reach of weights that are shared."""
    if traits_of(values.made_by(config, "workers")).own_processes:
        raise Fault(
            "shared weights are in this process, and its workers are not; take workers=serial"
        )


def check_overrides(
    config: DictConfig, overrides: Sequence[str], taken: Sequence[str] = _OF_THE_RUN
) -> None:
    """Raises a Fault where the command line wants another network than the supernet's."""
    keys = [key_of(text) for text in overrides]
    keys = [key for key in keys if not key.startswith(f"training.network.{GIVEN}.")]
    bad = [key for key in keys if re.match(r"(\w+@)?(\w+)", key)[2] in taken]  # type: ignore[index]
    if config.supernet and bad:
        raise Fault(
            f"{', '.join(dict.fromkeys(bad))} cannot be chosen with supernet=...: "
            f"{', '.join(taken)} are those of its run"
        )


def adopt(
    config: DictConfig, directories: Sequence[Path] = (), taken: Sequence[str] = _OF_THE_RUN
) -> None:
    """Takes what is `taken` from the run that has trained the supernet.

    Raises:
        Fault: there is no such run, or it is of a verb without these.
    """
    folder = Path(str(config.supernet)).expanduser().resolve()
    if not (folder / CONFIG).is_file():
        why = f"it has no {CONFIG}" if folder.is_dir() else "there is no such folder"
        raise Fault(f"supernet={config.supernet} is not a run folder: {why}")
    its = recorded.load(folder, directories)
    if its.get("supernet"):  # a search that has trained none: those of the run that has
        config.supernet = its.supernet
        adopt(config, directories, taken)
        return
    lacking = [key for key in taken if key not in its]
    if lacking:
        raise Fault(f"supernet={config.supernet} is no search: its config has no {lacking[0]}")
    for key in taken:
        config[key] = its[key]
    config.supernet = str(folder)


def chosen(config: DictConfig) -> dict[str, str]:
    """How space, data and recipe of the supernet's run were chosen; {} without one."""
    its = reading.environment(Path(config.supernet)) if config.supernet else {}
    return {key: name for key, name in its.get("choices", {}).items() if key in _OF_THE_RUN}


def adopted(asked: Asked) -> Asked:
    """A search with space, data and recipe of the supernet that it names; else the same.

    What was said of those on the supernet's own command line stands on record with it too, so that
    whoever goes on from the search finds them.

    Raises:
        Fault: it wants others, or there is no such supernet.
    """
    taken = tuple(key for key in _OF_THE_RUN if key != "seed")
    if not asked.config.get("supernet"):
        return asked
    check_overrides(asked.config, asked.overrides, taken)
    adopt(asked.config, asked.directories, taken)
    its, choices = reading.environment(Path(asked.config.supernet)), chosen(asked.config)
    said = [text for text in map(str, its.get("overrides", ())) if _CARRIED.match(text)]
    return replace(asked, choices={**asked.choices, **choices}, overrides=[*said, *asked.overrides])
