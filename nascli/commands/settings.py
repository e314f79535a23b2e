"""The settings of a config that are no components: what is wanted, and where it runs."""

from __future__ import annotations

import math
import sys

from omegaconf import DictConfig

from nascli.core.fault import Fault, unknown
from nascli.core.objective import Constraint, Objective
from nascli.core.problem import Problem

_TINY = 16  # pixels a side


def accelerator(config: DictConfig) -> str:
    """Where the search runs: auto, cpu or cuda."""
    name, allowed = str(config.accelerator), ("auto", "cpu", "cuda")
    if name not in allowed:
        raise Fault(unknown("accelerator", name, allowed))
    if name == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise Fault("accelerator=cuda, but torch finds no CUDA GPU; take accelerator=cpu")
    return name


def objectives(config: DictConfig) -> tuple[Objective, ...]:
    """What is to be reached: the `objectives` mapping."""
    given = config.get("objectives")
    if given is None:
        return (Objective("accuracy", "max"),)
    for metric, direction in given.items():
        if direction not in ("max", "min"):
            raise Fault(f"objectives.{metric} is {direction!r}; it must be max or min")
    if len(given) != 1:
        raise Fault(
            f"objectives names {len(given)} metrics ({', '.join(map(str, given))}); the strategies "
            "here take exactly one: bound the others with constraints.METRIC=VALUE"
        )
    return tuple(Objective(str(metric), direction) for metric, direction in given.items())


def constraints(config: DictConfig) -> tuple[Constraint, ...]:
    """What is to be kept: the `constraints` mapping."""
    bounds = []
    for metric, value in (config.get("constraints") or {}).items():
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or value <= 0:
            raise Fault(f"constraints.{metric} is {value!r}; it must be a number above 0")
        bounds.append(Constraint(str(metric), float(value)))
    return tuple(bounds)


def fidelity(config: DictConfig) -> float:
    """The share of the recipe that a full trial gets."""
    value = config.get("fidelity", 1.0)
    if not 0 < value <= 1:
        raise Fault(f"fidelity is {value}; it must be above 0 and at most 1")
    return float(value)


def check_threads(config: DictConfig) -> None:
    """Raises a Fault unless `threads` is auto or a whole number."""
    if config.threads != "auto" and not (isinstance(config.threads, int) and config.threads > 0):
        raise Fault(f"threads is {config.threads!r}; it must be a whole number above 0, or auto")


def set_threads(config: DictConfig, made: Problem) -> None:
    """Sets how many threads torch computes with, if the command has come to need torch.

    Layers on tiny images are too short to share: a second thread gains nothing, and costs up to
    twenty times the time while another process wants the same core.
    """
    if "torch" not in sys.modules:
        return
    import torch

    if config.threads != "auto":
        torch.set_num_threads(config.threads)
    elif max(made.task.input_shape[1:]) <= _TINY:
        torch.set_num_threads(1)
