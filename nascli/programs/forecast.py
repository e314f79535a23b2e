"""How long a run will take and how much memory, from a few steps of its very networks.

The first step of each training is timed apart, for it pays for what later ones find done; steps and
images are counted; a validation is made in full. Nothing of it is kept: the run itself begins anew.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from nascli.core.budget import OutOfTime
from nascli.core.device import measures
from nascli.core.estimator import Prepared
from nascli.core.genotype import Genotype
from nascli.core.listener import Listener
from nascli.core.problem import Problem
from nascli.core.traits import traits_of
from nascli.core.trial import Proposal
from nascli.core.words import counted
from nascli.data.task import SplitName, Task
from nascli.programs.networks import network_of
from nascli.programs.process import as_it_was
from nascli.programs.threads import computing_with
from nascli.report.units import duration, readable

if TYPE_CHECKING:
    from nascli.data.split import Split
    from nascli.programs import retrain as retraining
    from nascli.programs import search as searching
    from nascli.programs.baselines import Networks

Clock = Callable[[], float]
_BATCHES = 10  # that a supernet, or a network that is trained from scratch, is tried with
_FEW = 5  # and each network of a search that trains many
_PROPOSALS = 8  # that are tried of a search
_WORTH = 10  # times what a forecast takes: a run that trains less has none
REPORT_SECONDS = 1.0  # figures and pages


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Args:
        before: seconds before the first trial, such as those of training a supernet.
        trial: seconds of each.
        trials: how many there will be at most.
        after: seconds after the last one.
        memory_mb: the largest that the process holds, in 1,000,000 bytes; 0: not known.
    """

    before: float
    trial: float
    trials: float
    after: float
    memory_mb: float

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.planned(self.trials) + self.after

    def planned(self, trials: float, before: float = 1.0) -> float:
        """Seconds until so many trials are over, or this share of what comes before them."""
        return self.before * before + self.trial * trials

    def left(self, elapsed: float, trials: float, before: float = 1.0) -> float:
        """Seconds that are left, as the run goes: by how much it is slower or faster so far."""
        planned = self.planned(trials, before)
        pace = elapsed / planned if planned > 0.02 * self.seconds else 1.0
        return pace * (self.seconds - planned)


class _Steps:
    """A listener that times the steps of what trains."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._heard = clock, list[float]()

    def progress(self, done: float, text: str) -> None:
        del text
        if done < 1:  # or else it is no step, but the end of them
            self._heard.append(self._clock())

    def warn(self, text: str) -> None:
        pass

    def trial(self, trial: object) -> None:
        pass

    def timed(self, work: Callable[[], Any]) -> tuple[float, float]:
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
class _Few:
    """A task with so many training images, evenly spaced; the other splits are whole.

    So is all of it while paths are scored, whose batch-norm statistics are of training images.
    """

    task: Task
    images: int
    scoring: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    def split(self, name: SplitName) -> Split:
        whole = self.task.split(name)
        if name != "train" or self.scoring or len(whole) <= self.images:
            return whole
        import numpy as np

        return whole.take(np.linspace(0, len(whole) - 1, self.images).astype(np.int64))


Short = Callable[[Listener, Any, int], "searching.Parts"]
"""A listener, a task and a number of epochs -> the parts of the same search with these."""


def search(
    parts: searching.Parts,
    short: Short,
    trials: float | None,
    clock: Clock = time.perf_counter,
    worth: float = _WORTH,
) -> Forecast | None:
    """Of a search of so many trials.

    None for one that trains nothing, or less than `worth` times of what a forecast takes.
    """
    problem, recipe = parts.problem, parts.problem.recipe
    if trials is None or traits_of(parts.estimators[-1]).immediate:
        return None
    shares = parts.shared is not None
    task = cast(Task, problem.task)
    images = int((_BATCHES if shares else _FEW) * recipe.batch_size)
    stages = max(1, len(parts.settings["strategy"].get("stages") or ()))
    unit, epochs = traits_of(parts.strategy).unit, max(1, round(problem.fidelity * recipe.epochs))
    passes = 2 * stages if unit == "epoch" else 1  # the first pays for what is imported then
    proposals = passes if unit == "epoch" else int(min(trials, _PROPOSALS))
    trainings = epochs if shares else epochs * trials
    tried = images * (passes if shares else proposals)
    if len(task.split("train")) * trainings < worth * tried:
        return None
    clock = _waiting(clock, problem.accelerator)
    heard, asked, told = _Steps(clock), list[tuple[float, float]](), list[tuple[float, float]]()
    prepared = (0.0, 0.0)
    with as_it_was():
        few = _Few(task, images)
        probe = short(heard, few, passes)
        scale = epochs * len(task.split("train")) / len(few.split("train"))
        for estimator in probe.estimators:
            if isinstance(estimator, Prepared):
                prepared = heard.timed(partial(estimator.prepare, lambda: None))
        for _ in range(proposals):
            found: list[Proposal] = []
            asked.append(heard.timed(partial(_proposed, probe, found)))
            few.scoring = shares
            told += [heard.timed(partial(_estimated, probe, one)) for one in found]
            few.scoring = False
        memory = peak_mb(problem.accelerator)
        of_all = traits_of(probe.strategy).trials
        del probe
        gc.collect()
    ask, tell = _mean(asked), _mean(told)
    trained = [one for one, _ in asked if one]  # an epoch each, of as many as the recipe has
    share = epochs if unit == "epoch" else of_all or trials
    in_ask = scale * fmean(trained) / share if trained else 0.0
    return Forecast(
        before=prepared[1] + prepared[0] * scale,
        trial=in_ask + ask[1] + tell[0] * scale + tell[1],
        trials=trials,
        after=REPORT_SECONDS,
        memory_mb=memory,
    )


def retrain(
    parts: retraining.Parts, clock: Clock = time.perf_counter, worth: float = _WORTH
) -> Forecast | None:
    """Of a training from scratch, and of all that are trained beside it; None as for a search."""
    networks = parts.networks
    heard = _Steps(_waiting(clock, networks.problem.accelerator))
    problem, task = networks.problem, cast(Task, networks.problem.task)
    few = _Few(task, int(_BATCHES * problem.recipe.batch_size))
    kinds: dict[str, float] = {}
    trainings = problem.recipe.epochs * networks.seeds
    if len(task.split("train")) * trainings < worth * few.images:
        return None
    with as_it_was():
        _training(problem, networks.genotype, few, heard)  # it pays for what is then imported
        for genotype, seed in networks.trainings:
            kind = _kind(networks, genotype)
            if kind not in kinds:
                kinds[kind] = _training(networks.problem_of(genotype, seed), genotype, few, heard)
        memory = peak_mb(problem.accelerator)
        gc.collect()
    all_of_them = [kinds[_kind(networks, genotype)] for genotype, _ in networks.trainings]
    each = sum(all_of_them) / len(all_of_them)
    return Forecast(0.0, each, len(all_of_them), REPORT_SECONDS, memory)


def tried(
    made: Callable[[], Forecast | None], parts: searching.Parts | retraining.Parts
) -> Forecast | None:
    """The forecast; none where it fails, for the run itself says what is wrong."""
    try:
        with computing_with(parts.threads, parts.problem):
            return made()
    except (Exception, OutOfTime):
        return None


def words(forecast: Forecast, unit: str) -> str:
    """In a line."""
    said = f"about {duration(forecast.seconds)} for {counted(round(forecast.trials), unit)}"
    memory = f" and {readable('memory_mb', forecast.memory_mb)}" if forecast.memory_mb else ""
    return f"forecast: {said}{memory} of memory, by a few steps" if memory else f"forecast: {said}"


def peak_mb(accelerator: str) -> float:
    """The largest that this process (on a GPU: torch) has held, in 10^6 bytes; 0: not known."""
    from nascli.training.epoch_cost import EpochCost  # torch, which a table search does without

    return EpochCost(accelerator).memory / 1e6


def _waiting(clock: Clock, accelerator: str) -> Clock:
    """The clock, read once the accelerator has done what it was given."""
    if accelerator == "cpu":
        return clock
    import torch

    def read() -> float:
        torch.cuda.synchronize()
        return clock()

    return read


def _kind(networks: Networks, genotype: Genotype) -> str:
    """What takes as long: random genotypes are of one size."""
    name = networks.name(genotype)
    return "random" if name in networks.random else name


def _training(problem: Problem, genotype: Genotype, few: _Few, heard: _Steps) -> float:
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


def _proposed(parts: searching.Parts, found: list[Proposal]) -> None:
    """Adds the strategy's next proposal."""
    found.extend(parts.strategy.ask(1))


def _estimated(parts: searching.Parts, proposal: Proposal) -> None:
    """Asks all estimators; but what is measured on a device is measured once, in the run."""
    chain = parts.estimators[-1:] if measures(parts.problem.device) else parts.estimators
    for estimator in chain:
        estimator.estimate(proposal)


def _mean(timed: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The means of steps, and of all else but for the first: it pays for what is then imported."""
    if not timed:
        return 0.0, 0.0
    return fmean(steps for steps, _ in timed), fmean([other for _, other in timed[1:] or timed])
