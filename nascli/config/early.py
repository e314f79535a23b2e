"""What is told of a search before torch is imported: metrics nobody reports, values, lacking data.

All of it would be found later too, a second or two later.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli.config import building, own_data, shared_weights, values
from nascli.config.light import Unbuilt, light
from nascli.core.fault import Fault
from nascli.core.listener import SILENT
from nascli.core.problem import Problem
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
        metrics = (*Costs(made).metrics, *stated, *traits.on_request)
        building.check_metrics(config, made, metrics)
    for key in ("strategy", "estimator"):
        with light():
            building.check_values(config, key)
    sharing = [key for key in ("strategy", "estimator") if shared_weights.sharing(config, key)]
    with light():
        if sharing:
            _check_images(config, made)
    with light():
        if "estimator" in sharing and estimator.__module__.startswith("nascli."):
            selecting(cast(Task, made.task))
    stated_only = replace(made, listener=SILENT, fidelities=traits.rungs)
    with light():
        if "strategy" not in sharing:
            building.component(config, "strategy", stated_only)
    for key in sharing:
        values_only = OmegaConf.create({key: _alone(OmegaConf.to_container(config[key]))})
        with light():
            building.component(values_only, key, stated_only, Unbuilt())


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


def _alone(node: Any) -> Any:
    """The settings of a component, its parts replaced by what is never built."""
    if isinstance(node, list):
        return [_alone(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _UNBUILT if isinstance(value, dict) and "_target_" in value else _alone(value)
        for key, value in node.items()
    }
