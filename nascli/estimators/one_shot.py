"""Accuracy with shared weights: a genotype's path through the supernet.

Bender et al., Understanding and Simplifying One-Shot Architecture Search, ICML 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.trial import Proposal
from nascli.data.batches import batches, seeded
from nascli.data.task import Task
from nascli.supernet.recalibration import preserved, recalibrate


class OneShot:
    """Scores the path on the validation split, its batch norms recalibrated on training images.

    Reports `accuracy` in percent. The images are the same for every genotype. Nothing of the
    supernet changes: neither weights nor buffers nor mode.

    Args:
        problem: its supernet is trained by someone else, such as a gradient search.
        batch_size: images at once.
        recalibration_batches: how many batches of training images the statistics come from.

    Raises:
        Fault: `batch_size` or `recalibration_batches` is below 1.
    """

    metrics = ("accuracy",)
    meaning = "the path's in the supernet, on the validation split; nas retrain gives its own"
    repeatable = False
    by_genotype = False
    weight_sharing = True

    def __init__(
        self, problem: Problem, batch_size: int = 256, recalibration_batches: int = 4
    ) -> None:
        self._problem = problem
        self._size = batch_size
        self._batches = recalibration_batches
        given = {"batch_size": batch_size, "recalibration_batches": recalibration_batches}
        for key, value in given.items():
            if value < 1:
                raise Fault(f"estimator.{key} is {value}; it must be at least 1")

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The accuracy, whatever the fidelity."""
        problem, device = self._problem, self._problem.accelerator
        supernet, task = problem.supernet, cast(Task, problem.task)
        mixture = supernet.path(proposal.genotype)
        generator = seeded(problem.seed, "one_shot")  # a split may list its images class by class
        train = batches(
            task.split("train"), self._size, device, generator=generator, limit=self._batches
        )
        valid = task.split("valid")
        correct = torch.zeros((), device=device)
        with torch.no_grad(), preserved(supernet):
            recalibrate(supernet, mixture, (images for images, _ in train))
            for images, labels in batches(valid, self._size, device):
                correct += (supernet(images, mixture).argmax(1) == labels).sum()
        return {"accuracy": 100 * float(correct) / len(valid)}
