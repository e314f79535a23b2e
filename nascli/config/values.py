"""The settings of a config that are no components: what is wanted, and where it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from nascli.core import imported
from nascli.core.accelerator import cuda_there
from nascli.core.fault import Fault, unknown
from nascli.core.goal import Constraint, Objective
from nascli.core.traits import Traits, traits_of
from nascli.programs.kernels import Kernels, check

_SEEDS = 2**63  # generators of torch take as many


def accelerator(config: DictConfig) -> str:
    """Where the search runs: auto, cpu or cuda."""
    name, allowed = str(config.accelerator), ("auto", "cpu", "cuda")
    if name not in allowed:
        raise Fault(unknown("accelerator", name, allowed))
    if name == "cuda" and not cuda_there():
        raise Fault("accelerator=cuda, but torch finds no CUDA GPU; take accelerator=cpu")
    return name


def objectives(config: DictConfig) -> tuple[Objective, ...]:
    """What is to be reached: the `objectives` mapping, or else what the estimator is made for."""
    given = config.get("objectives")
    if not given:
        made_by = estimator_class(config)
        return ((Traits() if made_by is None else traits_of(made_by)).objective,)
    for metric, direction in given.items():
        if direction not in ("max", "min"):
            raise Fault(f"objectives.{metric} is {direction!r}; it must be max or min")
    return tuple(Objective(str(metric), direction) for metric, direction in given.items())


def made_by(config: DictConfig | Mapping[str, Any], key: str) -> Any:
    """The class, or the function, that makes `config[key]`; None for an empty node.

    Raises:
        Fault: there is no such thing.
    """
    target = (config.get(key) or {}).get("_target_")
    return imported.target(target, key) if target else None


def estimator_class(config: DictConfig | Mapping[str, Any]) -> Any:
    """What makes the chosen estimator; of one that wraps another, that other; None for none."""
    node = config.get("estimator") or {}
    while isinstance(node.get("of"), Mapping):
        node = node["of"]
    return made_by({"estimator": node}, "estimator")


def constraints(config: DictConfig) -> tuple[Constraint, ...]:
    """What is to be kept: the numbers of the `constraints` mapping."""
    bounds = {m: v for m, v in _bounds(config).items() if not isinstance(v, str)}
    return tuple(Constraint(metric, value) for metric, value in bounds.items())


def shares(config: DictConfig) -> dict[str, float]:
    """What is to be kept as a share of the space's largest network: the percentages there."""
    bounds = {m: v for m, v in _bounds(config).items() if isinstance(v, str)}
    return {metric: float(text[:-1]) / 100 for metric, text in bounds.items()}


def _bounds(config: DictConfig) -> dict[str, float | str]:
    """The `constraints` mapping: numbers above 0, and percentages as they are written."""
    bounds: dict[str, float | str] = {}
    bad = []
    for metric, value in (config.get("constraints") or {}).items():
        percent = re.fullmatch(r"(\d+(\.\d*)?)\s*%", value) if isinstance(value, str) else None
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        number = float(percent[1]) if percent else float(value) if good else math.nan
        if not 0 < number < math.inf:
            bad.append(
                f"constraints.{metric} is {value!r}; it must be a number above 0, or a percentage "
                "of the space's largest network such as 60%"
            )
        bounds[str(metric)] = str(value) if percent else number
    if bad:
        raise Fault("\n".join(bad))
    return bounds


def fidelity(config: DictConfig) -> float:
    """The share of the recipe that a full trial gets."""
    value = config.get("fidelity", 1.0)
    if not 0 < value <= 1:
        raise Fault(f"fidelity is {value}; it must be above 0 and at most 1")
    return float(value)


def seed(config: DictConfig) -> int:
    """What every random draw follows from."""
    if not 0 <= config.seed < _SEEDS:
        raise Fault(f"seed is {config.seed}; it must be a whole number from 0 to {_SEEDS - 1}")
    return int(config.seed)


def threads(config: DictConfig) -> int | None:
    """How many threads to compute with; None for auto."""
    if config.threads == "auto":
        return None
    if not (isinstance(config.threads, int) and config.threads > 0):
        raise Fault(f"threads is {config.threads!r}; it must be a whole number above 0, or auto")
    return int(config.threads)


def kernels(config: DictConfig) -> Kernels:
    """What a supernet is computed with; torch for runs from before there was a choice.

    Raises:
        Fault: it cannot be had.
    """
    kernels: Kernels = config.get("kernels", "torch")
    check(kernels)
    return kernels
