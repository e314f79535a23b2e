"""What is told of a search before torch is imported: metrics nobody reports, values, lacking data.

All of it would be found later too, a second or two later.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli.config import building, metrics, own_data, shared_weights, values
from nascli.config.light import Unbuilt, light
from nascli.core.fault import Fault
from nascli.core.listener import SILENT
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace, Shrinkable
from nascli.core.traits import traits_of
from nascli.data.identity import selecting
from nascli.data.task import Task
from nascli.estimators.costs import Costs

_UNBUILT = {"_target_": f"{Unbuilt.__module__}.{Unbuilt.__name__}"}


def check(config: DictConfig, made: Problem) -> None:
    """Raises a Fault for what can be told so early, if torch is not there yet."""
    if "torch" in sys.modules:
        return
    estimator = values.estimator_class(config)
    traits = traits_of(estimator)
    stated = vars(estimator).get("metrics") if isinstance(estimator, type) else None
    if isinstance(stated, tuple) and estimator.__module__.startswith("nascli."):
        told = (*Costs(made).metrics, *stated, *traits.on_request)
        metrics.check(config, made, told)
    faults = building.Faults()

    def look(at: Callable[[], object]) -> bool:
        """Whether nothing is wrong there, as far as can be told without torch."""
        with light():
            return not faults.found_by(at)
        return True  # it would import torch

    sound = [
        key
        for key in ("strategy", "estimator")
        if look(partial(building.check_values, config, key))
    ]
    sharing = [key for key in sound if shared_weights.sharing(config, key)]
    if sharing:
        look(lambda: _check_images(config, made))
    if "estimator" in sharing and estimator.__module__.startswith("nascli."):
        look(lambda: selecting(cast(Task, made.task)))
    stated_only = replace(made, listener=SILENT, fidelities=traits.rungs)
    if "strategy" in sound and "strategy" not in sharing:
        look(lambda: building.component(config, "strategy", stated_only))
    for key in sharing:
        faults.found += _wrong_parts(config[key], key, made)
    for key in sharing:
        values_only = OmegaConf.create({key: _alone(OmegaConf.to_container(config[key]))})
        look(partial(building.component, values_only, key, stated_only, Unbuilt()))
    faults.check()


def _check_images(config: DictConfig, made: Problem) -> None:
    """Raises a Fault if the images that a supernet is to learn of are not there."""
    try:
        cast(Task, made.task).split("train")
    except Fault as fault:
        if own_data.provenance(config) is None or not shared_weights.sharing(config, "strategy"):
            raise
        raise Fault(
            f"{fault}\nestimator=table looks results up and needs no image; it is the strategy, "
            "beta_darts unless another is chosen, that trains a supernet on them: take one that "
            "only proposes, such as strategy=evolution or strategy=random"
        ) from fault


def _wrong_parts(node: Any, key: str, made: Problem) -> Iterator[str]:
    """What is wrong with the values of a shipped component's parts, by the `checks` of their rooms.

    Each such module has a function for every component whose values it looks at, which the
    component's constructor calls too; it needs no torch.
    """
    if not isinstance(node, DictConfig):
        return
    for part in node.values():
        yield from _wrong_parts(part, key, made)
    room, _, module = str(node.get("_target_")).rpartition(".")[0].rpartition(".")
    if not room.startswith("nascli."):
        return
    try:
        check = getattr(import_module(f"{room}.checks"), module)
    except (ImportError, AttributeError):  # nothing of its values can be wrong
        return
    known = {**node, "problem": made, "elastic": _elastic(made.space)}
    names = inspect.signature(check).parameters
    if names.keys() <= known.keys():  # or else its constructor knows what is meant
        try:
            check(**{name: known[name] for name in names})
        except Fault as fault:
            yield f"{key}: {fault}"


def _elastic(space: SearchSpace) -> bool:
    """Whether a supernet has elastic sizes; one of the user's own may, for all that is known."""
    return isinstance(space, Shrinkable) or not type(space).__module__.startswith("nascli.")


def _alone(node: Any) -> Any:
    """The settings of a component, with parts that are never built; strategies are."""
    if isinstance(node, list):
        return [_alone(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {key: _UNBUILT if _heavy(value) else _alone(value) for key, value in node.items()}


def _heavy(value: Any) -> bool:
    target = value.get("_target_") if isinstance(value, dict) else None
    return target is not None and not target.startswith("nascli.strategies.")
