"""What the network that was kept makes of the test images, class by class."""

from __future__ import annotations

from typing import Any, cast

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.data.task import Task
from nascli.programs import baselines
from nascli.programs.networks import network_of
from nascli.runs.folder import Run
from nascli.training.scoring import judged


def tested(run: Run, problem: Problem, genotype: Genotype) -> dict[str, Any]:
    """Percent on the test split, and per class; `confusion` has a row for every true class."""
    network = network_of(problem, genotype)
    network.load_state_dict(run.load(baselines.WEIGHTS))
    task = cast(Task, problem.task)
    found = judged(network, task.split("test"), problem.accelerator)
    return {
        **found.metrics,
        "per_class": dict(zip(task.class_names, found.per_class, strict=True)),
        "confusion": found.confusion.tolist(),
    }
