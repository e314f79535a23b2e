"""Training a supernet on the paths that a sampler draws, before any of them is scored.

Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020 (arXiv
1904.00420), section 3.2: the weights descend the training loss expected over sampled paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch

from nascli.core import protocols
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.randomness import seed_of
from nascli.core.supernet import Sampler, SharedWeights, Supernet
from nascli.data.batches import batches, seeded
from nascli.data.task import Task
from nascli.supernet.training import WeightTraining
from nascli.training.augmentation import augmentation
from nascli.training.recipe import Recipe
from nascli.training.steps import check_steps


class PathTraining:
    """Trains shared weights on the training split by the problem's recipe, epoch after epoch.

    Order and augmentation of the images follow from seed and epoch, so the state is that of the
    shared weights and the number of the epoch. What a recipe says of label smoothing, drop-path and
    auxiliary heads is left aside, as a supernet has no such thing.

    Args:
        problem: its recipe says how, for `fidelity` times its epochs.
        shared: the weights; sampler and optimizer are put there until the training is over.
        sampler: `sampler(supernet, seed)` draws the paths of every step.

    Raises:
        Fault: the sampler refuses its values.
    """

    def __init__(
        self, problem: Problem, shared: SharedWeights, sampler: Callable[[Supernet, int], Sampler]
    ) -> None:
        self._problem, self._shared, self._make = problem, shared, sampler
        self._recipe = cast(Recipe, problem.recipe)
        self.epochs = max(1, round(problem.fidelity * self._recipe.epochs))
        self.epoch = 0
        space: Any = problem.space
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            supernet = space.supernet()
        check_steps(problem, problem.recipe.batch_size)
        protocols.check(sampler(supernet, 0), Sampler, "sampler")

    @property
    def over(self) -> bool:
        """Whether all epochs are trained."""
        return self.epoch == self.epochs

    def train(self) -> str:
        """Trains one epoch; says how it went.

        Raises:
            Fault: the loss is no longer a number.
        """
        if self._shared.training is None:
            self._begin()
        supernet, sampler = self._shared.supernet, self._shared.sampler
        training = self._shared.training
        assert sampler is not None and isinstance(training, WeightTraining)
        where, number = self._problem.accelerator, self.epoch
        split = cast(Task, self._problem.task).split("train")
        size = min(self._recipe.batch_size, len(split))
        steps = len(split) // size
        stream = batches(
            split,
            size,
            where,
            generator=seeded(self._problem.seed, "paths", number),
            augment=augmentation(self._recipe, split),
            drop_last=True,
        )
        supernet.train()
        total = torch.zeros((), device=where)
        for step, batch in enumerate(stream):
            training.set_rate(self.epochs, number, step, steps)
            done = (number + step / steps) / self.epochs
            paths = [supernet.path(genotype) for genotype in sampler.paths(done)]
            total += training.step(batch, paths)
            self._problem.listener.progress(done, f"supernet epoch {number + 1}/{self.epochs}")
        loss = float(total) / steps
        if not math.isfinite(loss):
            raise Fault(
                f"the supernet's training loss is {loss} in epoch {number + 1}; take a smaller "
                "training.learning_rate, or clip with training.gradient_clip"
            )
        self.epoch += 1
        if self.over:
            self._shared.sampler = self._shared.training = None
        return f"supernet epoch {self.epoch}/{self.epochs}, training loss {loss:.3f}"

    def _begin(self) -> None:
        supernet = self._supernet()
        seed = seed_of(self._problem.seed, "sampler")
        self._shared.sampler = self._make(supernet, seed)
        where = self._problem.accelerator
        self._shared.training = WeightTraining(supernet, self._recipe, where)

    def _supernet(self) -> Supernet:
        supernet = self._shared.supernet
        supernet.to(memory_format=torch.channels_last)
        return supernet

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the shared weights; of a training that is over, no sampler or optimizer."""
        return {"epoch": self.epoch, **(self._shared.state_dict() if self.epoch else {})}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.epoch = int(state["epoch"])
        if not self.epoch:
            return
        if self.over:
            self._supernet()
        else:
            self._begin()
        self._shared.load_state_dict(state)
