"""What forecasts are made of: a few steps of a training, timed, and what the process holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.data.task import SplitName, Task
from nascli.programs.networks import network_of

if TYPE_CHECKING:
    from nascli.data.split import Split

Clock = Callable[[], float]
Timed = tuple[float, float]
"""Seconds of steps at the usual pace, and of all else."""


class Steps:
    """A listener that times the steps of what trains."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._heard = clock, list[float]()

    def progress(self, done: float, text: str) -> None:
        """A step begins."""
        del text
        if done < 1:  # or else it is no step, but the end of them
            self._heard.append(self._clock())

    def warn(self, text: str) -> None:
        """Nobody is told: the run itself will say it."""

    def trial(self, trial: object) -> None:
        """None is on record."""

    def timed(self, work: Callable[[], Any]) -> Timed:
        """Seconds of `work`: of steps at the usual pace, and of all else, a slow first step too."""
        self._heard, start = [], self._clock()
        work()
        whole = self._clock() - start
        between = [b - a for a, b in zip(self._heard, self._heard[1:], strict=False)][1:]
        if not between:
            return 0.0, whole
        steps = len(self._heard) * sum(between) / len(between)
        return min(steps, whole), max(0.0, whole - steps)


@dataclass
class Few:
    """A task with so many training images, evenly spaced; the other splits are whole.

    So is all of it while paths are scored, whose batch-norm statistics are of training images.
    """

    task: Task
    images: int
    scoring: bool = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.task, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Few:
        del memo  # the teacher of a supernet is a copy of it, and shares the images
        return self

    def split(self, name: SplitName) -> Split:
        """See `nascli.data.task.Task`."""
        whole = self.task.split(name)
        if name != "train" or self.scoring or len(whole) <= self.images:
            return whole
        import numpy as np

        return whole.take(np.linspace(0, len(whole) - 1, self.images).astype(np.int64))


def waiting(clock: Clock, accelerator: str) -> Clock:
    """The clock, read once the accelerator has done what it was given."""
    if accelerator == "cpu":
        return clock
    import torch

    def read() -> float:
        torch.cuda.synchronize()
        return clock()

    return read


def training(problem: Problem, genotype: Genotype, few: Few, heard: Steps) -> float:
    """Seconds of one whole training, with what is scored in its epochs and after it."""
    from nascli.programs.baselines import there
    from nascli.training.fit import fit
    from nascli.training.scoring import score

    task, where, recipe = few.task, problem.accelerator, problem.recipe
    network, train = network_of(problem, genotype), few.split("train")
    once = replace(recipe, epochs=1, warmup_epochs=0, patience=0)
    steps, other = heard.timed(
        lambda: fit(network, train, None, once, accelerator=where, progress=heard.progress)
    )
    held = [name for name in there(task) if name != "train"]
    looked = task.split(held[0]) if held else train
    _, seconds = heard.timed(lambda: score(network, looked, where))
    image = seconds / len(looked)
    valid = image * len(task.split("valid"))
    after = image * sum(len(task.split(name)) for name in there(task))
    scale = len(task.split("train")) / len(train)
    return float(recipe.epochs * (steps * scale + valid) + other + after)


def peak_mb(accelerator: str) -> float:
    """The largest that this process (on a GPU: torch) has held, in 10^6 bytes; 0: not known."""
    from nascli.training.epoch_cost import EpochCost  # torch, which a table search does without

    return EpochCost(accelerator).memory / 1e6


def mean(timed: Sequence[Timed]) -> Timed:
    """The means of steps, and of all else but for the first: it pays for what is then imported."""
    if not timed:
        return 0.0, 0.0
    return fmean(steps for steps, _ in timed), fmean([other for _, other in timed[1:] or timed])
