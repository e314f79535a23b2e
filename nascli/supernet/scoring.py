"""How well a mixture does: the accuracy of the supernet on the validation split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import nn

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.supernet import Inherits, Mixture, SharedWeights, Stepwise
from nascli.data.batches import Batch, batches, seeded
from nascli.data.identity import selecting
from nascli.data.split import Split
from nascli.data.task import Task
from nascli.supernet import scored
from nascli.supernet.prefixes import Prefixes
from nascli.supernet.race import Race
from nascli.supernet.recalibration import preserved, recalibrate
from nascli.training.augmentation import augmentation
from nascli.training.recipe import Recipe

_MOST_KEPT = 500_000_000  # bytes of images that stay in memory from one score to the next


class Scoring:
    """Scores mixtures of a shared supernet, each with batch-norm statistics of its own.

    The images are the same for every mixture. Nothing of the supernet changes: neither weights nor
    buffers nor mode.

    Args:
        problem: whose images they are scored on.
        shared: the supernet, which somebody else trains.
        batch_size: images at once.
        recalibration_batches: how many batches of training images the statistics come from.
        images: of the validation split, so many are drawn to score on; None: all.
        recalibration_images: "augmented", as the recipe trains on them (so the published code of
            once-for-all), or "plain", as versions before 0.2.0 did.
            A network that has learnt with the statistics of the one may fail with the other's:
            a wide black frame around small images moves them far.

    Raises:
        Fault: one of these numbers is below 1, there are no such images, or nothing is held out.
    """

    def __init__(
        self,
        problem: Problem,
        shared: SharedWeights,
        batch_size: int,
        recalibration_batches: int,
        images: int | None = None,
        recalibration_images: str = "plain",
    ) -> None:
        scored.check(batch_size, recalibration_batches, images, recalibration_images)
        selecting(cast(Task, problem.task))
        self._problem, self._shared = problem, shared
        self._size, self._batches, self._images = batch_size, recalibration_batches, images
        self._augmented = recalibration_images == "augmented" and problem.recipe is not None
        self._kept: dict[str, list[Batch]] = {}

    def accuracy(self, mixture: Mixture, *, whole: bool = False) -> float:
        """Percent of the images that are scored on, or of the `whole` validation split.

        Raises:
            OutOfTime: the budget's time is over; it can only be asked again.
        """
        supernet = self._shared.supernet
        correct, seen = torch.zeros((), device=self._problem.accelerator), 0
        with self._calibrated(mixture), torch.no_grad():
            for images, labels in self._valid(whole=whole):
                self._problem.budget.check()
                correct += (supernet(images, mixture).argmax(1) == labels).sum()
                seen += len(labels)
        return 100 * float(correct) / seen

    def accuracies(
        self, mixtures: Sequence[Mixture], top: int | None = None
    ) -> list[tuple[float, int]]:
        """What `accuracy` gives for each of them, and on how many images it is known.

        What paths begin with alike is computed once (see `prefixes`). If only the `top` best
        matter, those that have no chance are not run to the end (see `race`).

        Raises:
            OutOfTime: as `accuracy`.
        """
        supernet, check = self._shared.supernet, self._problem.budget.check
        count = len(self._scored_on(whole=False))
        if not isinstance(supernet, Stepwise):
            return [(self.accuracy(mixture), count) for mixture in mixtures]
        race = Race(len(mixtures), count, top)
        with preserved(supernet), torch.inference_mode():
            prefixes = Prefixes(supernet, mixtures, check)
            prefixes.recalibrate(images for images, _ in self._train())
            for images, labels in self._valid():
                for number, logits in prefixes.logits(images, race.running):
                    race.add(number, (logits.argmax(1) == labels).cpu().numpy())
                race.judge()
        return race.accuracies()

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype` with the weights and the statistics that its path is scored by.

        Raises:
            Fault: the supernet gives no networks.
        """
        supernet = self._shared.supernet
        if not isinstance(supernet, Inherits):
            raise Fault(
                f"init=inherit: {type(supernet).__name__} has no network(genotype), which gives a "
                "network with the weights of its path; take init=scratch"
            )
        with self._calibrated(supernet.path(genotype)):
            return supernet.network(genotype)

    @contextmanager
    def _calibrated(self, mixture: Mixture) -> Iterator[None]:
        """Meanwhile the batch norms have the statistics of a path, in evaluation mode."""
        supernet = self._shared.supernet
        with preserved(supernet):
            with torch.no_grad():
                recalibrate(supernet, mixture, (images for images, _ in self._train()))
            yield

    def _train(self) -> Iterable[Batch]:
        """What statistics come from: shuffled, for a split may list images class by class."""
        train = cast(Task, self._problem.task).split("train")
        generator = seeded(self._problem.seed, "scoring")
        augment = (
            augmentation(cast(Recipe, self._problem.recipe), train) if self._augmented else None
        )
        stream = batches(
            train,
            self._size,
            self._problem.accelerator,
            generator=generator,
            limit=self._batches,
            augment=augment,
        )
        return self._remembered("train", stream, min(len(train), self._batches * self._size), train)

    def _valid(self, *, whole: bool = False) -> Iterable[Batch]:
        valid = self._scored_on(whole=whole)
        stream = batches(valid, self._size, self._problem.accelerator)
        return self._remembered("whole" if whole else "valid", stream, len(valid), valid)

    def _scored_on(self, *, whole: bool) -> Split:
        valid = cast(Task, self._problem.task).split("valid")
        if whole or self._images is None or self._images >= len(valid):
            return valid
        order = torch.randperm(len(valid), generator=seeded(self._problem.seed, "scored images"))
        return valid.take(np.sort(order[: self._images].numpy()))

    def _remembered(
        self, name: str, stream: Iterator[Batch], count: int, split: Split
    ) -> Iterable[Batch]:
        """The batches, kept in memory if they are small: most of a score is spent on few images."""
        if 4 * count * math.prod(split.shape) > _MOST_KEPT:
            return stream
        if name not in self._kept:
            self._kept[name] = list(stream)
        return self._kept[name]
