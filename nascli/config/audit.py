"""The parts of `nas audit`."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from nascli.config import building, own_data, recorded, remote, shared_weights, values
from nascli.config.compose import Asked
from nascli.config.light import light
from nascli.core.device import available
from nascli.core.estimator import Estimator
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Problem
from nascli.core.space import at, size
from nascli.core.supernet import SharedWeights
from nascli.core.traits import traits_of
from nascli.programs.audit import BASELINES, FEWEST, Asking, Parts
from nascli.programs.recording import kept_by
from nascli.runs.folder import Run


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Parts]:
    """The run folder, a new one or the one to go on with, and the parts.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    if asked.config.resume:
        run, old = recorded.opened(asked)
        with recorded.freed(run):
            return run, build(old, listener)
    shared_weights.check_overrides(asked.config, asked.overrides)
    parts = build(asked, listener)
    its = shared_weights.chosen(asked.config)
    space = parts.problem.space.name  # a supernet's run may decide it
    asked = replace(asked, choices={**asked.choices, **its, "space": space})
    return recorded.claimed(asked, "estimator", "space"), parts


def build(asked: Asked, listener: Listener = SILENT) -> Parts:
    """The parts of an audit.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config = asked.config
    faults = building.Faults()
    faults.attempt(lambda: _check_numbers(config))
    workers = faults.attempt(lambda: remote.workers(config))
    asking, shared = _asking(asked, faults, listener)
    if "accuracy" not in asking.reference.metrics:
        told = ", ".join(asking.reference.metrics)
        raise Fault(f"the reference gives no accuracy, only {told}")
    assert workers is not None
    groups = {"estimator": "estimator", "reference": "estimator@reference"}
    names = [  # as they were chosen; where nothing says so, as their modules are called
        asked.choices.get(group) or config[key]._target_.split(".")[-2]
        for key, group in groups.items()
    ]
    return Parts(
        asking=asking,
        genotypes=_drawn(config, asking.problem, asking.reference, asking.estimator),
        workers=remote.hired(config, workers, evaluation),
        names=(names[0], names[1]),
        shared=shared,
        supernet=Path(config.supernet) if config.supernet else None,
        resamples=config.resamples,
        threads=values.threads(config),
        kernels=values.kernels(config),
        settings=asked.plain(),
        notice=own_data.mismatch(config, asking.problem, "estimator", "reference"),
        idle=own_data.idle(config, _answering(asking), "estimator", "reference"),
    )


def _answering(asking: Asking) -> list[Estimator]:
    costs = [] if asking.costs is None else [asking.costs]
    return [*costs, asking.estimator, asking.reference]


check = build


def evaluation(config: DictConfig, run: Run) -> Asking:
    """What asks about a network, for a process of its own.

    Raises:
        Fault: everything that is wrong with the config.
    """
    asking, _ = _asking(Asked("audit", config, {}, [], ""), building.Faults(), SILENT)
    return replace(asking, on_error=kept_by(run))


def _asking(
    asked: Asked, faults: building.Faults, listener: Listener
) -> tuple[Asking, SharedWeights | None]:
    """Costs, estimator and reference, and the weights that the estimator scores with."""
    config = asked.config
    if config.supernet:
        shared_weights.adopt(config, asked.directories)
    problem = building.problem(config, faults, listener)
    if (made := problem) is not None:
        faults.attempt(lambda: available(made.device))
        faults.attempt(lambda: shared_weights.check(config))
    faults.check()
    assert problem is not None
    full = replace(problem, fidelity=1.0)
    shared = shared_weights.new(problem, "nobody") if config.supernet else None
    reference = None
    with light():  # a wrong one is told before what takes its time
        reference = faults.attempt(lambda: building.component(config, "reference", full))
    estimator = faults.attempt(lambda: building.given(config, "estimator", problem, shared))
    if reference is None:
        reference = faults.attempt(lambda: building.component(config, "reference", full))
    faults.check()
    if estimator is None or reference is None:
        raise Fault("estimator and reference must both be given, e.g. reference=table")
    counted = set(BASELINES) <= set(estimator.metrics)
    costs = None if counted else _costs(problem)
    return Asking(problem, costs, estimator, reference), shared


def _costs(problem: Problem) -> Estimator:
    from nascli.estimators.costs import Costs

    return Costs(problem)


def _drawn(
    config: DictConfig, problem: Problem, reference: Estimator, estimator: Estimator
) -> list[Genotype]:
    """The genotypes to ask about; random ones follow from the seed.

    What the estimator has learnt from is left out: it knows those answers already.
    """
    space = problem.space
    learnt = {space.canonical(genotype) for genotype in traits_of(estimator).learnt}
    answers = traits_of(reference).genotypes
    listed = answers() if answers is not None else None  # a CSV need not know them all
    there = size(space) if listed is None else len(listed)

    def genotype(number: int) -> Genotype | None:
        found: Genotype = at(space, number) if listed is None else listed[number]
        return None if learnt and space.canonical(found) in learnt else found

    if config.genotypes == "all":
        return [found for number in range(there) if (found := genotype(number))]
    rng, tried, drawn = random.Random(f"{problem.seed}/audit"), set[int](), list[Genotype]()
    while len(drawn) < config.networks and len(tried) < there:
        number = rng.randrange(there)
        if number not in tried:
            tried.add(number)
            drawn += [found] if (found := genotype(number)) else []
    if len(drawn) < config.networks:
        raise Fault(
            f"networks is {config.networks}; there are only {len(drawn)}: take genotypes=all"
        )
    return drawn


def _check_numbers(config: DictConfig) -> None:
    """Raises a Fault for a number that makes no sense."""
    if config.genotypes not in ("random", "all"):
        raise Fault(f"genotypes is {config.genotypes!r}; it must be random or all")
    for key, least in (("networks", FEWEST), ("resamples", 1)):
        if config[key] < least:
            raise Fault(f"{key} is {config[key]}; it must be at least {least}")
