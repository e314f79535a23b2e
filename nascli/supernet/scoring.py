"""How well a mixture does: the accuracy of the supernet on the validation split."""

from __future__ import annotations

from typing import cast

import torch

from nascli.core.problem import Problem
from nascli.core.supernet import Mixture
from nascli.data.batches import batches, seeded
from nascli.data.task import Task
from nascli.supernet.recalibration import preserved, recalibrate


def accuracy(problem: Problem, mixture: Mixture, batch_size: int, recalibration: int) -> float:
    """Percent of the validation split, with batch-norm statistics of this very mixture.

    The statistics come from `recalibration` batches of training images, the same every time.
    Nothing of the problem's supernet changes: neither weights nor buffers nor mode.
    """
    device, supernet, task = problem.accelerator, problem.supernet, cast(Task, problem.task)
    generator = seeded(problem.seed, "recalibration")  # a split may list images class by class
    train = batches(
        task.split("train"), batch_size, device, generator=generator, limit=recalibration
    )
    valid = task.split("valid")
    correct = torch.zeros((), device=device)
    with torch.no_grad(), preserved(supernet):
        recalibrate(supernet, mixture, (images for images, _ in train))
        for images, labels in batches(valid, batch_size, device):
            correct += (supernet(images, mixture).argmax(1) == labels).sum()
    return 100 * float(correct) / len(valid)
