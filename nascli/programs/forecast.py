"""How long a run will take and how much memory, from a few steps of its very networks.

The first step of each training is timed apart, for it pays for what later ones find done; steps and
images are counted; a validation is made in full. Nothing of it is kept: the run itself begins anew.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from nascli.core.budget import OutOfTime
from nascli.core.estimator import TRAIN, Prepared
from nascli.core.genotype import Genotype
from nascli.core.listener import Listener
from nascli.core.traits import traits_of
from nascli.core.words import counted
from nascli.data.task import Task
from nascli.programs import kernels
from nascli.programs.process import as_it_was
from nascli.programs.threads import computing_with
from nascli.programs.timing import Clock, Few, Steps, mean, peak_mb, training, waiting
from nascli.programs.tries import Tries
from nascli.report.units import duration, readable

if TYPE_CHECKING:
    from nascli.programs import retrain as retraining
    from nascli.programs import search as searching
    from nascli.programs.baselines import Networks

_BATCHES = 10  # that a supernet, or a network that is trained from scratch, is tried with
_FEW = 5  # and each network of a search that trains many
_PROPOSALS = 8  # that are tried of a search
_SCORED = 512  # images that paths are scored on
_STEP = 3  # times what it takes to score an image, to train on it
_WORTH = 10  # times what a forecast takes: a run that trains less has none
REPORT_SECONDS = 0.7  # figures and pages


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

    def planned(self, trials: float, before: float = 1.0, after: float = 0.0) -> float:
        """Seconds until so many trials are over, and this share of what comes before and after."""
        return self.before * before + self.trial * trials + self.after * after

    def left(self, elapsed: float, trials: float, before: float = 1.0, after: float = 0.0) -> float:
        """Seconds that are left, as the run goes: by how much it is slower or faster so far."""
        planned = self.planned(trials, before, after)
        pace = elapsed / planned if planned > 0.02 * self.seconds else 1.0
        return pace * (self.seconds - planned)


Short = Callable[[Listener, Any, int, int], "searching.Parts"]
"""A listener, a task, a number of epochs, the most images that paths are scored on -> the parts of
the same search with these."""


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
    task, settings = cast(Task, problem.task), parts.settings
    unit = traits_of(parts.strategy).unit
    trainer = None if parts.shared is None else parts.shared.trainer
    if trainer == "nobody" and settings["strategy"].get("candidates"):
        return None  # breeding them takes most of the time, and would be done twice
    images = int((_FEW if trainer is None else _BATCHES) * recipe.batch_size)
    stages = max(1, len(settings["strategy"].get("stages") or ()))
    epochs = max(1, round(problem.fidelity * recipe.epochs))
    passes = 2 * stages if unit == "epoch" else 1  # the first pays for what is imported then
    at_once = traits_of(parts.estimators[-1]).at_once
    rounds = [settings["strategy"].get(key) or 0 for key in ("keep", "trials")]
    several = max(_PROPOSALS, at_once, *rounds)  # a whole round, of which one alone may train
    proposals = passes if unit == "epoch" else int(min(trials, several))
    valid = len(task.split("valid"))
    scored = min(valid, settings["estimator"].get("images") or valid)
    of_few = scored if trainer is None else min(scored, _SCORED)
    trainings, tried = {None: (trials, proposals), "nobody": (0, 0)}.get(trainer, (1, passes))
    whole = _STEP * len(task.split("train")) * epochs * trainings + scored * trials
    if whole < worth * (_STEP * images * tried + of_few * proposals):
        return None
    heard, prepared = Steps(waiting(clock, problem.accelerator)), (0.0, 0.0)
    with as_it_was(), kernels.trying_with(parts.kernels, problem, parts.shared):
        few = Few(task, images)
        probe = short(heard, few, passes, of_few)
        scale = len(task.split("train")) / len(few.split("train"))
        for estimator in probe.estimators:
            if isinstance(estimator, Prepared):
                prepared = heard.timed(partial(estimator.prepare, lambda: None))
        tries = Tries(probe, heard, few)
        tries.some(1)  # alone, for it pays for what is imported then
        while len(tries.asked) < proposals:
            tries.some(min(at_once, proposals - len(tries.asked)))
        ask, tell, kept = mean(tries.asked), mean(tries.told), tries.kept
        if not kept:
            return None
        measured = tries.measured()
        longer, again = tries.scored_again(scored, of_few, valid)
        final = again * tries.in_the_end(trials) if traits_of(parts.estimators[-1]).again else 0.0
        alone = tries.trained() if parts.trust is not None else (0.0, 0.0)
        memory = peak_mb(problem.accelerator)
        in_ask = fmean(steps for steps, _ in tries.asked)
        asked = ask[1] if trainer == "strategy" else fmean(other for _, other in tries.asked)
        del probe, tries
        gc.collect()
    by = (settings["strategy"].get("by") or {}).get("_target_")
    if by in (None, TRAIN):  # or else the steps are of candidates that are bred
        in_ask *= scale * (1 if trainer == "strategy" else epochs)
    each = asked + tell[0] / passes * epochs * scale + tell[1] * longer + measured
    networks = 0 if parts.trust is None else parts.trust.networks
    trust = networks * (alone[0] / passes * recipe.epochs * scale + alone[1])
    return Forecast(
        before=prepared[1] + prepared[0] * epochs * scale,
        trial=in_ask + each / kept,
        trials=trials,
        after=REPORT_SECONDS + final + trust,
        memory_mb=memory,
    )


def retrain(
    parts: retraining.Parts, clock: Clock = time.perf_counter, worth: float = _WORTH
) -> Forecast | None:
    """Of a training from scratch, and of all that are trained beside it; None as for a search."""
    networks = parts.networks
    heard = Steps(waiting(clock, networks.problem.accelerator))
    problem, task = networks.problem, cast(Task, networks.problem.task)
    few = Few(task, int(_BATCHES * problem.recipe.batch_size))
    kinds: dict[str, float] = {}
    trainings = problem.recipe.epochs * networks.seeds
    if len(task.split("train")) * trainings < worth * few.images:
        return None
    with as_it_was():
        training(problem, networks.genotype, few, heard)  # it pays for what is then imported
        for genotype, seed in networks.trainings:
            kind = _kind(networks, genotype)
            if kind not in kinds:
                kinds[kind] = training(networks.problem_of(genotype, seed), genotype, few, heard)
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


def _kind(networks: Networks, genotype: Genotype) -> str:
    """What takes as long: random genotypes are of one size."""
    name = networks.name(genotype)
    return "random" if name in networks.random else name
