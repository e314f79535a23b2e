"""The parts of `nas retrain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli import genotypes
from nascli.config import (
    baselines,
    building,
    inheriting,
    logger,
    recorded,
    remote,
    sizes,
    unheeded,
    values,
)
from nascli.config.compose import Asked
from nascli.core import launch, protocols
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace
from nascli.core.traits import traits_of
from nascli.core.words import counted
from nascli.core.workers import Workers
from nascli.data import identity
from nascli.data.task import Task
from nascli.programs.baselines import SPLITS, Networks
from nascli.programs.recording import Hire
from nascli.runs.folder import Run
from nascli.training.steps import check_steps

if TYPE_CHECKING:
    from nascli.programs.retrain import Parts


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Parts]:
    """The run folder, a new one or the one to go on with, and the parts.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    if asked.config.resume:
        run, asked = recorded.opened(asked)
        found_in = asked.config.genotype
        asked.config.genotype = str(run.path / genotypes.FILE)
        with recorded.freed(run):
            listener = logger.heard(asked.config, listener)
            parts = build(asked, listener, found_in)
            logger.begin(listener, run, parts.settings, parts.networks.problem)
            return run, parts
    listener = logger.heard(asked.config, listener)
    parts = build(asked, listener)
    answer = {genotypes.FILE: genotypes.dump(parts.genotype)}
    run = recorded.claimed(inheriting.on_record(asked), "space", "data", files=answer)
    logger.begin(listener, run, parts.settings, parts.networks.problem)
    return run, parts


def build(asked: Asked, listener: Listener = SILENT, found_in: object = None) -> Parts:
    """The parts of a training from scratch.

    `found_in` is where the genotype came from, if the config does not say it any more.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config, faults = asked.config, building.Faults()
    named = faults.attempt(lambda: baselines.named(config))
    faults.attempt(lambda: inheriting.adopt(config, asked.overrides, asked.directories))
    made = faults.attempt(lambda: building.network(config, listener))
    workers = faults.attempt(lambda: _workers(config)) if config.get("workers") else None
    faults.check()
    assert named is not None and made is not None
    problem, genotype = made
    task = cast(Task, protocols.check(problem.task, Task, "data"))
    check_steps(problem, problem.recipe.batch_size)
    _check_together(config, problem)
    if (patience := problem.recipe.patience) and not identity.validates(task):
        raise Fault(
            f"training.patience is {patience}, and no image is held out to validate on: give "
            "data.valid_fraction above 0, or training.patience=0"
        )
    for name in SPLITS:  # images that are not there are missed before there is a run folder
        task.split(name)
    unheeded.say_in_retraining(config, problem, genotype)
    from nascli.programs.retrain import Parts  # torch, which a wrong one does without

    reference = found_in or config.genotype
    beside = baselines.genotypes(named, problem, genotype)
    return Parts(
        problem,
        genotype,
        values.threads(config),
        asked.plain(),
        seeds=named.seeds,
        baselines=beside,
        known=baselines.known(problem),
        then=partial(asked.then, outputs=config.outputs),
        sizes=sizes.sizes(reference, config, problem, genotype, asked.directories),
        weights=inheriting.weights(config, problem, genotype, asked.directories),
        workers=_hired(config, workers, named.seeds, beside),
    )


def _check_together(config: DictConfig, problem: Problem) -> None:
    """Raises a Fault for what cannot be where torchrun has started several processes."""
    _, count = launch.place()
    if (batch := problem.recipe.batch_size) % count:
        raise Fault(
            f"training.batch_size is {batch}, and torchrun has started {counted(count, 'process')} "
            f"that share every batch: take a multiple, such as {count * max(1, batch // count)}"
        )
    if count > 1 and traits_of(values.made_by(config, "workers")).own_processes:
        raise Fault(
            "under torchrun all processes train one network together: take workers=serial, or "
            "start nas without torchrun"
        )


def followed(plain: Mapping[str, Any]) -> tuple[Problem, SearchSpace]:
    """The problem of another process, and the space of known networks, from the config there.

    Raises:
        Fault: this process cannot have what that one has.
    """
    faults = building.Faults()
    problem = building.problem(OmegaConf.create(dict(plain)), faults)
    faults.check()
    assert problem is not None
    return problem, baselines.known(problem)


def _workers(config: DictConfig) -> Callable[..., Workers]:
    """What makes the workers.

    Raises:
        Fault: a setting of theirs makes no sense, or weights of this process are out of reach.
    """
    made = remote.workers(config)
    if traits_of(made.func).own_processes and config.get("init", "scratch") != "scratch":  # type: ignore[attr-defined]
        raise Fault(
            "init=inherit trains one network with weights of this process; take workers=serial"
        )
    return made


def _hired(
    config: DictConfig,
    made: Callable[..., Workers] | None,
    seeds: int,
    beside: Mapping[str, Genotype],
) -> Hire:
    """Where trainings run; those of an earlier version's config in this process."""
    from nascli.programs import retrain as program

    if made is None:
        return program.serial
    plain = {name: one.to_json() for name, one in beside.items()}
    return remote.hired(config, made, partial(evaluation, seeds, plain))


def evaluation(seeds: int, beside: Mapping[str, Any], config: DictConfig, run: Run) -> Evaluation:
    """The trainings alone, for a process of its own.

    Raises:
        Fault: everything that is wrong with the config.
    """
    from nascli.programs import retrain as program

    config.genotype = str(run.place / genotypes.FILE)
    problem, genotype = building.network(config)
    drawn = {name: Genotype.from_json(one) for name, one in beside.items()}
    asked = (program.trained(problem), genotype, seeds, drawn, baselines.known(problem))
    return program.apart(run, Networks(*asked))


check = build
