"""What is told of a search before torch is imported: metrics nobody reports, values, lacking data.

All of it would be found later too, a second or two later.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import cast

from omegaconf import DictConfig

from nascli.config import building, shared_weights, values
from nascli.config.light import light
from nascli.core.listener import SILENT
from nascli.core.problem import Problem
from nascli.core.traits import traits_of
from nascli.data.task import Task
from nascli.estimators.costs import Costs


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
    with light():
        if any(shared_weights.sharing(config, key) for key in ("strategy", "estimator")):
            cast(Task, made.task).split("train")  # of which a supernet learns
    with light():
        if not shared_weights.sharing(config, "strategy"):
            stated_only = replace(made, listener=SILENT, fidelities=traits.rungs)
            building.component(config, "strategy", stated_only)
