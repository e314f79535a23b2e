"""Shared weights that another run has trained: `supernet=RUN_FOLDER`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli import ui
from nascli.commands import images, resume
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.traits import traits_of
from nascli.runs.folder import CONFIG, Run

_OF_THE_RUN = ("space", "data", "training", "seed")  # what shared weights belong to


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
                "give supernet=RUN_FOLDER of a nas search strategy=darts, or take another estimator"
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


def load(problem: Problem, folder: Path) -> None:
    """Puts the weights of a gradient search's last checkpoint into the problem's supernet.

    Raises:
        Fault: there are none, or they do not fit.
    """
    state = Run(folder).load_state("strategy", "trials")
    weights = _found("supernet", state)
    if weights is None:
        raise Fault(
            f"'{folder}' holds no shared weights (supernet in state.pt); nas search strategy=darts "
            "saves them once it has run for some seconds"
        )
    try:
        problem.supernet.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise Fault(f"the shared weights in '{folder}' do not fit the space: {error}") from error
    assert state is not None
    images.same(folder, problem.task)
    ui.say(f"shared weights as they were after {state['trials']} trials of {folder}")


def _found(key: str, node: object) -> Any:
    """The first value of `key` in nested mappings; None if there is none."""
    if not isinstance(node, Mapping):
        return None
    deeper = (_found(key, value) for value in node.values())
    return node[key] if key in node else next((f for f in deeper if f is not None), None)
