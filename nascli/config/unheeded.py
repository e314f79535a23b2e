"""What somebody has asked for and does not get: settings of a recipe, a strategy that can learn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from nascli.config import values
from nascli.core.estimator import TRAIN
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import Planned, sample
from nascli.core.strategy import Founded, Strategy
from nascli.core.supernet import SharedWeights
from nascli.core.traits import traits_of

_DRAWN = 8  # genotypes of a search that are looked at


def say_in_retraining(config: DictConfig, problem: Problem, genotype: Genotype) -> None:
    """Says what the network of `genotype` has no place for."""
    _say(problem, _without_place(config, problem, [genotype]))


def say_in_search(
    config: DictConfig, problem: Problem, shared: SharedWeights | None, overrides: Sequence[str]
) -> None:
    """Says what neither the training of a supernet nor those of single networks heed."""
    trainer = None if shared is None else shared.trainer
    if trainer == "nobody":  # the recipe is that of the run that has trained it
        return
    if trainer is not None:
        alone = bool(config.get("trust"))  # networks that are, in the end, heed all but patience
        names = [name for name in problem.recipe.from_scratch if name == "patience" or not alone]
        _say(problem, dict.fromkeys(names, "a supernet is trained without"))
    elif _targets(config) & {TRAIN}:
        rng = random.Random(0)
        drawn = [sample(problem.space, rng) for _ in range(_DRAWN)]
        lacking = _without_place(config, problem, drawn)
        if problem.recipe.patience:
            lacking["patience"] = "trials train all their epochs, and only nas retrain stops early"
        _say(problem, lacking)
    elif traits_of(values.estimator_class(config)).immediate:
        keys = [text.lstrip("+~").partition("=")[0] for text in overrides]
        asked = [key.split(".")[1] for key in keys if key.startswith("training.")]
        fields = {name: "nothing is trained" for name in asked if name != "network"}
        _say(problem, fields)


def say_in_strategy(strategy: Strategy, problem: Problem) -> None:
    """Says where the budget ends before a strategy has learnt anything."""
    trials = problem.budget.trials
    if trials is None or not isinstance(strategy, Founded):
        return
    setting, count = strategy.founders
    if trials <= count:
        problem.listener.warn(
            f"warning: the first strategy.{setting}={count} trials are random ones, and "
            f"budget.trials is {trials}: this is random search. Give more trials, such as "
            f"budget.trials={5 * count}, or a smaller strategy.{setting}"
        )


def _targets(config: DictConfig) -> set[str]:
    """What trials are estimated by: the estimator, and what screens candidates for it."""
    found = set()
    for node in (config.get("estimator"), (config.get("strategy") or {}).get("by")):
        while isinstance(node, Mapping) and "_target_" in node:
            found.add(str(node["_target_"]))
            node = node.get("of")
    return found


def _without_place(
    config: DictConfig, problem: Problem, genotypes: Sequence[Genotype]
) -> dict[str, str]:
    """Key of the recipe -> why none of these networks has a place for it."""
    recipe, space, lacking = problem.recipe, problem.space, dict[str, str]()
    if not isinstance(space, Planned) or not (recipe.auxiliary_weight or recipe.drop_path):
        return lacking
    try:
        plans = [space.plan(genotype) for genotype in genotypes]
    except Fault:  # it is told where the network is built
        return lacking
    if recipe.auxiliary_weight and all(plan.auxiliary is None for plan in plans):
        how = " (space.auxiliary=true gives it one)" if "auxiliary" in config.space else ""
        lacking["auxiliary_weight"] = f"the network has no auxiliary head{how}"
    if recipe.drop_path and not any(place.drop_path for plan in plans for place in plan.places):
        lacking["drop_path"] = "the network has no path that can be dropped"
    return lacking


def _say(problem: Problem, lacking: Mapping[str, str]) -> None:
    """In one warning, each reason once."""
    reasons: dict[str, list[str]] = {}
    for name, why in lacking.items():
        value: Any = getattr(problem.recipe, name, None)
        reasons.setdefault(why, []).append(f"training.{name}={value}")
    said = [
        f"{', '.join(keys)} {'changes' if len(keys) == 1 else 'change'} nothing: {why}"
        for why, keys in reasons.items()
    ]
    if said:
        problem.listener.warn(f"warning: {'; '.join(said)}")
