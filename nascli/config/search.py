"""The parts of `nas search`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli.config import (
    building,
    deployment,
    early,
    logger,
    measuring,
    own_data,
    recorded,
    remote,
    shared_weights,
    unheeded,
    values,
)
from nascli.config.compose import Asked
from nascli.config.feasibility import Table, refuse, with_numbers
from nascli.config.files import root
from nascli.core.budget import Budget
from nascli.core.device import available
from nascli.core.estimator import TRAIN, Prepared
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Problem
from nascli.core.space import Relaxable
from nascli.core.supernet import SharedWeights
from nascli.core.traits import traits_of
from nascli.core.trial import Proposal
from nascli.programs.audit import FEWEST
from nascli.programs.recording import kept_by
from nascli.programs.search import Parts
from nascli.programs.trust import Trust
from nascli.runs.folder import Run

_LOOKED_AT = 100  # trials on record that a moved table has to know


def begin(
    asked: Asked,
    listener: Listener = SILENT,
    surveyed: Callable[[Table], None] = lambda _table: None,
) -> tuple[Run, Parts]:
    """The run folder, a new one or the one to go on with, and the parts.

    `surveyed` is told what networks cost before a search begins.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    if asked.config.resume:
        run, asked = recorded.opened(asked)
        with recorded.freed(run):
            listener = logger.heard(asked.config, listener)
            parts = build(asked, listener, survey=False)
            logger.begin(listener, run, parts.settings, parts.problem)
            if any(text.startswith("estimator.path=") for text in asked.overrides):
                _check_answers(run, parts)
            return run, parts
    asked = shared_weights.adopted(asked)
    listener = logger.heard(asked.config, listener)
    parts = build(asked, listener, surveyed)
    run = recorded.claimed(asked, "strategy", "space")
    logger.begin(listener, run, parts.settings, parts.problem)
    return run, parts


def _check_answers(run: Run, parts: Parts) -> None:
    """Raises a Fault if an estimator whose file has moved does not answer as it did before."""
    estimator = parts.estimators[-1]
    if not traits_of(estimator).immediate:
        raise Fault("estimator.path can change on a resume where it is a table; start a new run")
    for trial in run.history()[:_LOOKED_AT]:
        if trial.error is None and trial.infeasible is None:
            found: Mapping[str, float] = {}
            with suppress(LookupError):  # it has no such row
                found = estimator.estimate(Proposal(trial.genotype, trial.fidelity))
            bad = [m for m in estimator.metrics if found.get(m) != trial.metrics.get(m)]
            if bad:
                raise Fault(
                    f"estimator.path holds other answers than the run has: {bad[0]} of trial "
                    f"{trial.number} was {trial.metrics.get(bad[0])} and is {found.get(bad[0])}; "
                    "give the same table, or start a new run"
                )


def build(
    asked: Asked,
    listener: Listener = SILENT,
    surveyed: Callable[[Table], None] = lambda _table: None,
    *,
    survey: bool = True,
    task: Any = None,
) -> Parts:
    """The parts of a search; `task` is taken in place of the config's.

    Percentages among the constraints become numbers, in the config too, before a strategy is built;
    without a `survey` of what networks cost they are left aside.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config = asked.config
    faults = building.Faults()
    budget = faults.attempt(lambda: Budget(**config.budget))
    workers = faults.attempt(lambda: remote.workers(config))
    faults.attempt(lambda: deployment.by_recipe(config, asked.directories))
    problem = building.problem(config, faults, listener, task)
    if problem is not None:
        if survey:  # also where nothing asks it before the first step
            of = problem
            if faults.found_by(lambda: available(of.device)):
                problem = replace(problem, device=None)  # its fault is told once
            else:
                held = faults.attempt(lambda: measuring.anchored(config, of, asked.directories))
                problem = held or problem
        problem = replace(problem, budget=budget or Budget())
        if survey:
            refuse(config, problem, faults)
        found = _searching(config, faults, problem, survey, surveyed)
        problem, strategy, estimators, shared = found
        made = problem
        trust = None if faults.found else faults.attempt(lambda: _trust(config, made))
        if survey and not faults.found:
            unheeded.say_in_search(config, made, shared, asked.overrides)
            unheeded.say_in_strategy(strategy, made)
    faults.check()
    assert problem is not None and budget is not None and workers is not None
    return Parts(
        problem=problem,
        strategy=strategy,
        estimators=estimators,
        shared=shared,
        workers=remote.hired(config, workers, evaluation),
        budget=budget,
        threads=values.threads(config),
        kernels=values.kernels(config),
        settings=asked.plain(),
        networks=own_data.networks(config, problem, estimators),
        notice=own_data.mismatch(config, problem, "estimator")
        or own_data.mismatch(config, problem, "device"),
        then=partial(asked.then, outputs=config.get("outputs")),
        measuring=measuring.device(config, problem, asked.directories),
        trust=trust,
        idle=own_data.idle(config, estimators, "estimator"),
    )


def _trust(config: DictConfig, problem: Problem) -> Trust | None:
    """What trains a few networks alone in the end; None if nothing is to."""
    networks = config.get("trust") or 0  # configs of before have none
    if not networks:
        return None
    reference = OmegaConf.create({"reference": {"_target_": TRAIN}})
    full = replace(problem, fidelity=1.0)
    return Trust(networks, building.component(reference, "reference", full))


def _check_trust(config: DictConfig) -> None:
    """Raises a Fault if `trust` makes no sense, or there are no shared weights to trust."""
    networks = config.get("trust") or 0
    if not networks:
        return
    if not any(shared_weights.sharing(config, key) for key in ("strategy", "estimator")):
        raise Fault(
            f"trust={networks} asks how far an order by shared weights is to be trusted, and there "
            "are none here; give trust=0 (nas audit asks it of other estimators)"
        )
    if networks < FEWEST:
        raise Fault(f"trust is {networks}; it must be 0, or at least {FEWEST}")


def _searching(
    config: DictConfig,
    faults: building.Faults,
    problem: Problem,
    survey: bool,
    surveyed: Callable[[Table], None],
) -> tuple[Problem, Any, Any, SharedWeights | None]:
    """The problem as it is after a survey, strategy, estimators and what they share.

    What has a fault is None.
    """
    if survey:
        faults.attempt(lambda: early.check(config, problem))
        if shared_weights.sharing(config, "estimator"):  # which takes its time to be built
            faults.attempt(lambda: _check_fidelities(config, values.estimator_class(config)))
    if faults.found_by(lambda: _check_fit(config, problem)):
        return problem, None, None, None
    sharing = faults.attempt(lambda: (shared_weights.of(config, problem),))
    if sharing is None:
        return problem, None, None, None
    (shared,) = sharing
    estimators = faults.attempt(lambda: building.estimators(config, problem, shared))
    if survey and (chain := estimators) is not None:
        faults.attempt(lambda: _check_fidelities(config, chain[-1]))
    if survey and values.shares(config):
        faults.check()  # before anything takes its time
        assert estimators is not None
        problem = with_numbers(config, problem, estimators, surveyed)
        survey = False
        estimators = building.estimators(config, problem, shared)
    if estimators is not None:
        problem = replace(problem, fidelities=traits_of(estimators[-1]).rungs)
    stated = problem
    strategy = faults.attempt(lambda: building.given(config, "strategy", stated, shared))
    if survey:
        faults.check()
        assert estimators is not None
        with_numbers(config, problem, estimators, surveyed)
    return problem, strategy, estimators, shared


def short(asked: Asked, listener: Listener, task: Any, epochs: int, images: int) -> Parts:
    """The parts of the same search of a few epochs and with another task, to be tried.

    Paths are scored on `images` at most, where an estimator takes a number of them.

    An estimator that wraps another is left out, for it may keep answers, and these are none.
    """
    config = copy.deepcopy(asked.config)
    while isinstance(inner := config.estimator.get("of"), DictConfig):
        config.estimator = {key: value for key, value in inner.items() if key != "_partial_"}
    config.training.epochs, config.training.warmup_epochs = epochs, 0
    if "images" in config.estimator:
        config.estimator.images = images
    return build(replace(asked, config=config), listener, survey=False, task=task)


def check(asked: Asked) -> Parts:
    """The parts, for the sake of the faults that building them finds."""
    return build(shared_weights.adopted(asked), survey=False)


def evaluation(config: DictConfig, run: Run) -> Evaluation:
    """The evaluation alone, for a process that proposes nothing.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = building.Faults()
    made = building.problem(config, faults)
    chain = faults.attempt(lambda: building.estimators(config, made)) if made else None
    faults.check()
    assert made is not None and chain is not None
    return Evaluation(made, chain, kept_by(run))


def _check_fit(config: DictConfig, made: Problem) -> None:
    """Raises a Fault where the chosen strategy cannot do what the other parts ask of it."""
    strategy = values.made_by(config, "strategy")
    objectives = made.goal.objectives
    if made.goal.front and not traits_of(strategy).several_objectives:
        names = ", ".join(objective.metric for objective in objectives)
        raise Fault(
            f"this strategy takes one objective, and there are {len(objectives)} "
            f"({names}); take strategy=nsga2, or one of the others with scalarisation=mnasnet, or "
            "bound a cost with constraints.METRIC=VALUE"
        )
    _check_sharing(config, made)
    _check_trust(config)


def _check_sharing(config: DictConfig, made: Problem) -> None:
    """Raises a Fault where weights are to be shared but there are none, or nobody trains them."""
    shares = {}
    for key in ("strategy", "estimator"):
        part = values.made_by(config, key)
        shares[key] = traits_of(part).weight_sharing
        if shares[key] and not isinstance(made.space, Relaxable):
            have = ", ".join(f"space={name}" for name in with_supernet())
            raise Fault(
                f"this {key} trains a supernet, and space '{made.space.name}' has none; "
                f"those that have one: {have}"
            )
    trains = isinstance(part, type) and issubclass(part, Prepared)
    if shares["estimator"] and not shares["strategy"] and not trains:
        raise Fault(
            "this estimator scores with shared weights, which this strategy does not train; "
            "take estimator=one_shot, which trains its own, or strategy=darts"
        )
    if shares["estimator"]:
        shared_weights.check_workers(config)


def _check_fidelities(config: DictConfig, estimator: Any) -> None:
    """Raises a Fault where low fidelities are to spare time and get the same answers."""
    strategy = values.made_by(config, "strategy")
    if traits_of(strategy).several_fidelities and not traits_of(estimator).fidelities:
        raise Fault(
            "this strategy spares time by low fidelities, and this estimator answers the same at "
            "every fidelity; take estimator=train or NAS-Bench-201's own table, or a strategy such "
            "as evolution"
        )


def with_supernet() -> list[str]:
    """The shipped spaces that have a supernet."""
    files = sorted((root() / "space").glob("*.yaml"))
    made = {file.stem: {"space": cast(Any, OmegaConf.load(file))} for file in files}
    return [name for name, one in made.items() if hasattr(values.made_by(one, "space"), "supernet")]
