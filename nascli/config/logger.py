"""Who else hears of a run: `logger=tensorboard`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from nascli.core.fault import Fault, unknown
from nascli.core.listener import Listener
from nascli.core.problem import Problem
from nascli.runs.folder import Run
from nascli.runs.tensorboard import TensorBoard

_LOGGERS = ("none", "tensorboard")


def heard(config: DictConfig, listener: Listener) -> Listener:
    """The listener, with the logger that a config asks for before it.

    Raises:
        Fault: there is no such logger, or it is not installed.
    """
    name = config.get("logger") or "none"
    if name not in _LOGGERS:
        raise Fault(unknown("logger", name, _LOGGERS))
    return listener if name == "none" else TensorBoard(listener)


def begin(listener: Listener, run: Run, settings: Mapping[str, Any], problem: Problem) -> None:
    """Tells the logger, if there is one, where to write and what was asked for."""
    if isinstance(listener, TensorBoard):
        objectives = {one.metric: one.direction for one in problem.goal.objectives}
        listener.begin(run, settings, objectives)
