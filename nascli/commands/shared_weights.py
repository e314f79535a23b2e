"""Shared weights: those of a search, or another run's for an audit: `supernet=RUN_FOLDER`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli import ui
from nascli.commands import resume
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import SharedWeights, Trainer
from nascli.core.traits import traits_of
from nascli.runs.folder import CONFIG, Run

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
    from hydra.utils import get_class

    node = config.get(key)
    return bool(node and "_target_" in node and traits_of(get_class(node._target_)).weight_sharing)


def check(config: DictConfig) -> None:
    """Raises a Fault where an estimator wants shared weights and there are none."""
    from hydra.utils import get_class

    for key in ("estimator", "reference"):
        if not config[key]:
            continue
        part = get_class(config[key]._target_)
        if traits_of(part).weight_sharing and (key == "reference" or not config.supernet):
            raise Fault(
                f"{key}: {part.__name__} scores with shared weights, and an audit trains none; "
                "give supernet=RUN_FOLDER of a nas search with strategy=darts or "
                "estimator=one_shot, or take another estimator"
            )


def check_overrides(config: DictConfig, overrides: Sequence[str]) -> None:
    """Raises a Fault where the command line wants another network than the supernet's."""
    keys = [text.lstrip("+~").partition("=")[0] for text in overrides]
    bad = [key for key in keys if key.split(".")[0].split("@")[0] in _OF_THE_RUN]
    if config.supernet and bad:
        raise Fault(
            f"{', '.join(bad)} cannot be chosen with supernet=...: {', '.join(_OF_THE_RUN)} are "
            "those of its run"
        )


def adopt(config: DictConfig) -> None:
    """Takes space, data, recipe and seed from the run that has trained the supernet."""
    folder = Path(str(config.supernet)).expanduser().resolve()
    if not (folder / CONFIG).is_file():
        raise Fault(f"supernet={config.supernet} is not a run folder: it has no {CONFIG}")
    recorded = resume.load(folder)
    for key in _OF_THE_RUN:
        config[key] = recorded[key]
    config.supernet = str(folder)


def load(shared: SharedWeights, folder: Path) -> None:
    """Puts the weights of a search's last checkpoint into the supernet.

    Raises:
        Fault: there are none, or they do not fit.
    """
    state = Run(folder).load_state("strategy", "trials")
    weights = _found("supernet", state)
    if weights is None:
        raise Fault(
            f"'{folder}' holds no shared weights (supernet in state.pt); nas search strategy=darts "
            "or estimator=one_shot saves them once it has run for some seconds"
        )
    try:
        shared.supernet.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise Fault(f"the shared weights in '{folder}' do not fit the space: {error}") from error
    assert state is not None
    ui.say(f"shared weights as they were after {state['trials']} trials of {folder}")


def _found(key: str, node: object) -> Any:
    """The first value of `key` in nested mappings and lists; None if there is none."""
    if isinstance(node, Mapping) and key in node:
        return node[key]
    below = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return next((found for value in below if (found := _found(key, value)) is not None), None)
