"""The parts of `nas retrain`."""

from __future__ import annotations

from nascli import genotypes
from nascli.config import building, recorded, values
from nascli.config.compose import Asked
from nascli.core import protocols
from nascli.core.listener import SILENT, Listener
from nascli.data.task import Task
from nascli.programs.retrain import Parts
from nascli.runs.folder import Run
from nascli.training.steps import check_steps


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Parts]:
    """The run folder, a new one or the one to go on with, and the parts.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    if asked.config.resume:
        run, asked = recorded.opened(asked)
        asked.config.genotype = str(run.path / genotypes.FILE)
        with recorded.freed(run):
            return run, build(asked, listener)
    parts = build(asked, listener)
    answer = {genotypes.FILE: genotypes.dump(parts.genotype)}
    return recorded.claimed(asked, "space", "data", files=answer), parts


def build(asked: Asked, listener: Listener = SILENT) -> Parts:
    """The parts of a training from scratch.

    Raises:
        Fault: everything that is wrong with the config.
    """
    problem, genotype = building.network(asked.config, listener)
    protocols.check(problem.task, Task, "data")
    check_steps(problem, problem.recipe.batch_size)
    return Parts(problem, genotype, values.threads(asked.config), asked.plain())


check = build
