"""What the network that was kept makes of the test images, class by class."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from nascli.core.problem import Problem
from nascli.data.task import Task
from nascli.training.scoring import judged


def tested(problem: Problem, network: nn.Module) -> dict[str, Any]:
    """Percent on the test split, and per class; `confusion` has a row for every true class.

    Five guesses say nothing of five classes or fewer, so `top5_accuracy` takes more.
    """
    task = cast(Task, problem.task)
    found = judged(network, task.split("test"), problem.accelerator)
    metrics = dict(found.metrics)
    if len(task.class_names) <= 5:
        del metrics["top5_accuracy"]
    return {
        **metrics,
        "per_class": dict(zip(task.class_names, found.per_class, strict=True)),
        "confusion": found.confusion.tolist(),
    }
