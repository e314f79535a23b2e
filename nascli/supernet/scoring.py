"""How well a mixture does: the accuracy of the supernet on the validation split."""

from __future__ import annotations

from typing import cast

import torch

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, SharedWeights
from nascli.data.batches import batches, seeded
from nascli.data.task import Task, selecting
from nascli.supernet.recalibration import preserved, recalibrate


class Scoring:
    """Scores mixtures of a shared supernet, each with batch-norm statistics of its own.

    The images are the same for every mixture. Nothing of the supernet changes: neither weights nor
    buffers nor mode.

    Args:
        problem: whose images they are scored on.
        shared: the supernet, which somebody else trains.
        batch_size: images at once.
        recalibration_batches: how many batches of training images the statistics come from.

    Raises:
        Fault: `batch_size` or `recalibration_batches` is below 1, or nothing is held out.
    """

    def __init__(
        self, problem: Problem, shared: SharedWeights, batch_size: int, recalibration_batches: int
    ) -> None:
        given = {"batch_size": batch_size, "recalibration_batches": recalibration_batches}
        for key, value in given.items():
            if value < 1:
                raise Fault(f"estimator.{key} is {value}; it must be at least 1")
        selecting(cast(Task, problem.task))
        self._problem, self._shared = problem, shared
        self._size, self._batches = batch_size, recalibration_batches

    def accuracy(self, mixture: Mixture) -> float:
        """Percent of the validation split.

        Raises:
            OutOfTime: the budget's time is over; it can only be asked again.
        """
        device, supernet = self._problem.accelerator, self._shared.supernet
        task = cast(Task, self._problem.task)
        generator = seeded(self._problem.seed, "scoring")  # a split may list images class by class
        train = batches(
            task.split("train"), self._size, device, generator=generator, limit=self._batches
        )
        valid = task.split("valid")
        correct = torch.zeros((), device=device)
        with torch.no_grad(), preserved(supernet):
            recalibrate(supernet, mixture, (images for images, _ in train))
            for images, labels in batches(valid, self._size, device):
                self._problem.budget.check()
                correct += (supernet(images, mixture).argmax(1) == labels).sum()
        return 100 * float(correct) / len(valid)
