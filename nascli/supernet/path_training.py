"""Training a supernet on the paths that a sampler draws, before any of them is scored.

Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020 (arXiv
1904.00420), section 3.2: the weights descend the training loss expected over sampled paths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

from nascli.core import protocols
from nascli.core.problem import Problem
from nascli.core.randomness import seed_of
from nascli.core.supernet import Sampler, SharedWeights, Supernet
from nascli.data.batches import batches, seeded
from nascli.data.task import Task
from nascli.supernet.lessons import Lessons
from nascli.supernet.training import WeightTraining
from nascli.training.augmentation import augmentation
from nascli.training.divergence import check
from nascli.training.recipe import Recipe
from nascli.training.steps import check_steps


class PathTraining:
    """Trains shared weights on the training split by the problem's recipe, epoch after epoch.

    Order and augmentation of the images follow from seed and epoch, so the state is that of the
    shared weights and the number of epoch and step. What a recipe says of label smoothing,
    drop-path and auxiliary heads is left aside, as a supernet has no such thing.

    Args:
        problem: its recipe says how, for `fidelity` times its epochs.
        shared: the weights; sampler and optimizer are put there until the training is over.
        sampler: `sampler(supernet, seed)` draws the paths of every step, and says what they learn
            from (see `nascli.supernet.lessons`).

    Raises:
        Fault: the sampler refuses its values.
    """

    def __init__(
        self, problem: Problem, shared: SharedWeights, sampler: Callable[[Supernet, int], Sampler]
    ) -> None:
        self._problem, self._shared, self._make = problem, shared, sampler
        self._recipe = cast(Recipe, problem.recipe)
        self._lessons: Lessons | None = None  # while it is under way
        self.epochs = max(1, round(problem.fidelity * self._recipe.epochs))
        self.epoch = 0
        self._at(0, 0.0)
        space: Any = problem.space
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            supernet = space.supernet()
        check_steps(problem, problem.recipe.batch_size)
        protocols.check(sampler(supernet, 0), Sampler, "sampler")

    @property
    def over(self) -> bool:
        """Whether all epochs are trained."""
        return self.epoch == self.epochs

    def train(self, scale: float = 1.0) -> str:
        """See `nascli.training.divergence.Trains`."""
        self.begin()
        training, lessons = self._shared.training, self._lessons
        assert lessons is not None and isinstance(training, WeightTraining)
        training.scale = scale
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
        self._shared.supernet.train()
        for step, batch in enumerate(stream):
            if step < self._step:
                continue  # trained before a resume: taken only for what it has drawn
            self._problem.budget.check()
            training.set_rate(self.epochs, number, step, steps)
            done = (number + step / steps) / self.epochs
            self._total += training.descend(lessons.losses(batch, done))
            self._step += 1
            self._problem.listener.progress(done, f"supernet epoch {number + 1}/{self.epochs}")
        check(training.weights, "supernet")
        loss = float(self._total) / steps
        self.epoch = number + 1
        self._at(0, 0.0)
        if self.over:
            self._shared.sampler = self._shared.training = self._lessons = None
        return f"supernet epoch {self.epoch}/{self.epochs}, training loss {loss:.3f}"

    def begin(self) -> None:
        """Makes sampler and optimizer, unless there are some or all is over."""
        if self._shared.training is not None or self.over:
            return
        supernet, where = self._supernet(), self._problem.accelerator
        sampler = self._make(supernet, seed_of(self._problem.seed, "sampler"))
        training = WeightTraining(supernet, self._recipe, where)
        self._shared.sampler, self._shared.training = sampler, training
        self._lessons = Lessons(sampler, training, supernet)

    def _at(self, step: int, total: float) -> None:
        """So many steps of the epoch are over, and their losses sum to `total`."""
        self._step = step
        self._total = torch.tensor(total, device=self._problem.accelerator)

    def _supernet(self) -> Supernet:
        supernet = self._shared.supernet
        supernet.to(memory_format=torch.channels_last)
        return supernet

    def state_dict(self) -> dict[str, Any]:
        """Epoch, step and the shared weights; once it is over, no sampler, optimizer or teacher."""
        begun = self.over or self._shared.training is not None
        under_way = [self._step, float(self._total)] if self._step else []
        weights = self._shared.state_dict() if begun else {}
        lessons = {} if self._lessons is None else {"lessons": self._lessons.state_dict()}
        return {"epoch": self.epoch, "under_way": under_way, **weights, **lessons}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.epoch = int(state["epoch"])
        self._at(*(state.get("under_way") or (0, 0.0)))
        if "supernet" not in state:
            return
        self.begin()
        self._supernet()
        self._shared.load_state_dict(state)
        if self._lessons is not None:
            self._lessons.load_state_dict(state.get("lessons", {}))
