"""What somebody asks for and does not get: settings without a part, a strategy that can learn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from nascli.config import values
from nascli.config.overrides import key_of
from nascli.core.estimator import TRAIN
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import Planned, sample
from nascli.core.strategy import Founded, Strategy
from nascli.core.supernet import SharedWeights, Trainer
from nascli.core.traits import traits_of

_DRAWN = 8  # genotypes of a search that are looked at


def say_in_retraining(config: DictConfig, problem: Problem, genotype: Genotype) -> None:
    """Says what the network of `genotype` has no place for."""
    _say(problem, _in_recipe(problem, _without_place(config, problem, [genotype])))


def say_in_search(
    config: DictConfig, problem: Problem, shared: SharedWeights | None, overrides: Sequence[str]
) -> None:
    """Says what neither training nor scoring heeds, be it of a supernet or of single networks."""
    trainer = None if shared is None else shared.trainer
    recipe = _in_recipe(problem, _unheeded_by(trainer, config, problem, overrides))
    _say(problem, {**recipe, **_of_scoring(trainer, config, overrides)})


def _unheeded_by(
    trainer: Trainer | None, config: DictConfig, problem: Problem, overrides: Sequence[str]
) -> dict[str, str]:
    """Key of the recipe -> why nothing comes of it in this search."""
    if trainer == "nobody":  # the recipe is that of the run that has trained it
        return {}
    if trainer is not None:
        alone = bool(config.get("trust"))  # networks that are, in the end, heed all but patience
        names = [name for name in problem.recipe.from_scratch if name == "patience" or not alone]
        return dict.fromkeys(names, "a supernet is trained without")
    if _targets(config) & {TRAIN}:
        rng = random.Random(0)
        drawn = [sample(problem.space, rng) for _ in range(_DRAWN)]
        lacking = _without_place(config, problem, drawn)
        if problem.recipe.patience:
            lacking["patience"] = "trials train all their epochs, and only nas retrain stops early"
        return lacking
    if traits_of(values.estimator_class(config)).immediate:
        keys = [key_of(text) for text in overrides]
        asked = [key.split(".")[1] for key in keys if key.startswith("training.")]
        return {name: "nothing is trained" for name in asked if name != "network"}
    return {}


def _of_scoring(
    trainer: Trainer | None, config: DictConfig, overrides: Sequence[str]
) -> dict[str, str]:
    """What is asked for of how networks are scored, and why nothing comes of it."""
    why = {}
    if trainer == "strategy":
        why["estimator.sampler"] = "the strategy draws the paths that are trained"
        alone = "paths are scored one by one where the strategy trains between them"
        why |= {"estimator.at_once": alone, "estimator.race": alone}
    elif trainer == "nobody":
        why["estimator.sampler"] = "nothing is trained"
    trained = trainer in ("strategy", "estimator") or _targets(config) & {TRAIN}
    if not trained and not traits_of(values.estimator_class(config)).fidelities:
        why["fidelity"] = "this estimator answers the same at every fidelity"
    found = {}
    for text in overrides:
        key = key_of(text).rpartition("@")[2]
        setting = next((name for name in why if f"{key}.".startswith(f"{name}.")), None)
        if setting is not None:
            found[text.lstrip("+")] = why[setting]
    return found


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


def _in_recipe(problem: Problem, lacking: Mapping[str, str]) -> dict[str, str]:
    """The same with each key as a command line has it, its value included."""
    recipe = problem.recipe
    return {f"training.{key}={getattr(recipe, key, None)}": why for key, why in lacking.items()}


def _say(problem: Problem, lacking: Mapping[str, str]) -> None:
    """Setting -> why it changes nothing, in one warning, each reason once."""
    reasons: dict[str, list[str]] = {}
    for setting, why in lacking.items():
        reasons.setdefault(why, []).append(setting)
    said = [
        f"{', '.join(keys)} {'changes' if len(keys) == 1 else 'change'} nothing: {why}"
        for why, keys in reasons.items()
    ]
    if said:
        problem.listener.warn(f"warning: {'; '.join(said)}")
