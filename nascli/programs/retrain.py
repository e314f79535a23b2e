"""Trains a genotype from scratch and scores it once on the test split."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import nn

from nascli.core.budget import Budget
from nascli.core.estimator import COSTS
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Stopped
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal, Objective
from nascli.core.listed import Listed
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.trial import Open, Proposal, Trial
from nascli.core.words import counted
from nascli.data.task import SplitName, Task
from nascli.programs import images
from nascli.programs.networks import costs_of, network_of
from nascli.programs.recording import kept_by, looped
from nascli.programs.reporting import write_report
from nascli.programs.threads import computing_with
from nascli.programs.trained import card_of
from nascli.report import curves, drawings
from nascli.report.units import readable
from nascli.runs import card as cards
from nascli.runs.folder import Run
from nascli.training import divergence
from nascli.training.divergence import DivergedError
from nascli.training.fit import Epoch, State, fit, score
from nascli.workers.serial import Serial

WEIGHTS = "weights.pt"
_ROUNDING = 0.2  # percent: a GPU may add up in another order
_SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")
_SCORES = tuple(f"{name}_accuracy" for name in _SPLITS)


@dataclass(frozen=True)
class Parts:
    """All that a training from scratch is made of; `settings` is its config as plain data."""

    problem: Problem
    genotype: Genotype
    threads: int | None
    settings: Mapping[str, Any]


class FromScratch:
    """Trains a network with the whole recipe and scores the weights as their file gives them back.

    It is an estimator of costs and accuracies whose state is that of the training under way, saved
    after every epoch. The test split is read here only, once the training is over.
    """

    metrics = (*COSTS, *_SCORES)
    meaning = ""

    def __init__(self, run: Run, problem: Problem) -> None:
        self._run, self._problem = run, problem
        self._save: Callable[[], None] = lambda: None
        self._genotype: Genotype | None = None
        self._training: State | None = None
        self._scale = 1.0  # of the learning rate

    def prepare(self, save: Callable[[], None]) -> None:
        """Nothing is to be done before the first network; `save` is called after every epoch."""
        self._save = save

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The network's costs, and percent of each split.

        Raises:
            Stopped: the training diverges, with a tenth of the step too.
            RuntimeError: the file does not hold the network that was trained.
        """
        genotype = proposal.genotype
        if self._genotype != genotype:
            self._genotype, self._training, self._scale = genotype, None, 1.0
        costs = costs_of(self._problem, genotype)
        problem = self._problem
        problem.listener.warn(
            f"training a network for {given(problem)} with {readable('params', costs['params'])} "
            f"parameters on {counted(len(cast(Task, problem.task).split('train')), 'image')} for "
            f"{counted(problem.recipe.epochs, 'epoch')} in {self._run.path}"
        )
        while True:
            try:
                self._train(network_of(problem, genotype))
                break
            except DivergedError as error:
                self._go_back(error)
        return {**costs, **self._scores(genotype)}

    @property
    def epochs(self) -> list[dict[str, float]]:
        """A row of the report for every epoch there was."""
        return [_row(epoch) for epoch in (self._training or {}).get("history", [])]

    def finished(self, genotype: Genotype) -> bool:
        """Whether all epochs of this network are over and its weights are there."""
        over = len(self.epochs) == self._problem.recipe.epochs
        return self._genotype == genotype and over and (self._run.place / WEIGHTS).is_file()

    def state_dict(self) -> dict[str, Any]:
        """Which network is being trained, and how far it is."""
        genotype = self._genotype.to_json() if self._genotype else None
        return {"genotype": genotype, "training": self._training, "scale": self._scale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with that training."""
        genotype, self._training = state["genotype"], state["training"]
        if not isinstance(self._training, (dict, type(None))):
            raise TypeError(f"training is {self._training!r:.80}; it must be a mapping")
        self._scale = float(state.get("scale", 1.0))
        self._genotype = Genotype.from_json(genotype) if genotype else None

    def _go_back(self, error: DivergedError) -> None:
        """To the last good epoch, once, with a tenth of the step."""
        epochs, recipe = len(self.epochs), self._problem.recipe
        if self._scale < 1.0:
            raise Stopped(divergence.again(epochs, error, recipe)) from error
        self._scale = divergence.TENTH
        self._save()
        self._problem.listener.warn(divergence.back(epochs, error))

    def _train(self, network: nn.Module) -> None:
        """All epochs that are left; the weights are in the run folder afterwards."""
        problem = self._problem
        task, recipe, hear = cast(Task, problem.task), problem.recipe, problem.listener.progress
        train, told = task.split("train"), ""

        def ended(epoch: Epoch, checkpoint: State) -> None:
            nonlocal told
            self._training = copy.deepcopy(checkpoint)  # its tensors go on being trained
            self._save()
            told = _line(epoch)
            self._run.log(told)
            hear(epoch.number / recipe.epochs, told)

        fit(
            network,
            train,
            task.split("valid"),
            recipe,
            accelerator=problem.accelerator,
            seed=problem.seed,
            on_epoch=ended,
            progress=lambda done, _text: hear(done, told),
            state=self._training,
            scale=self._scale,
        )
        self._run.save(WEIGHTS, network.state_dict())

    def _scores(self, genotype: Genotype) -> dict[str, float]:
        """The accuracies of the weights as the file gives them back."""
        task, accelerator = cast(Task, self._problem.task), self._problem.accelerator
        network = network_of(self._problem, genotype)
        network.load_state_dict(self._run.load(WEIGHTS))
        found = {
            f"{name}_accuracy": score(network, task.split(name), accelerator).accuracy
            for name in _SPLITS
        }
        reloaded, trained = found["valid_accuracy"], self.epochs[-1]["valid_accuracy"]
        if abs(reloaded - trained) > _ROUNDING:
            raise RuntimeError(
                f"the reloaded weights score {reloaded} %, the trained ones {trained} %"
            )
        return found


def retrain(run: Run, parts: Parts) -> dict[str, Any]:
    """Trains, or goes on with the training that is in the folder; gives the report.

    Raises:
        Fault: the folder is of another training, or the disk takes no more.
        RuntimeError: the training failed.
    """
    start, genotype = time.monotonic(), parts.genotype
    images.record(run, parts.problem, tested=True)
    _write_card(run, parts.problem, genotype)
    goal = Goal((Objective("valid_accuracy", "max"),))
    problem = replace(parts.problem, goal=goal, fidelity=1.0)
    training = FromScratch(run, problem)
    evaluation = Evaluation(problem, [training], kept_by(run))
    loop = Search(Listed(problem, [genotype]), evaluation, Serial(lambda: evaluation), Budget())

    def keep(trial: Trial) -> bool:
        """A training that failed is taken up again."""
        return trial.error is None and training.finished(trial.genotype)

    def older(state: dict[str, Any]) -> dict[str, Any]:
        """What was saved before trainings were trials."""
        if "training" not in state:
            return state
        waiting = {0: Open(Proposal(genotype)).to_json()}
        trained = {"genotype": genotype.to_json(), "training": state["training"]}
        before = {"trials": 0, "number": 1, "open": waiting, "strategy": {"next": 1}}
        return {**before, "estimators": [trained]}

    with computing_with(parts.threads, problem):
        looped(run, loop, keep=keep, older=older, budgeted=False)
        (trial,) = loop.history
        if trial.error is not None:
            raise RuntimeError(f"the training failed: {trial.error} (see log.txt in {run.path})")
        seconds = round(time.monotonic() - start, 3)
        report = _report(problem, trial, training.epochs, seconds)
        drawn = {**curves.training(training.epochs), **drawings.draw(problem.space, genotype)}
        write_report(run, report, drawn, parts.settings)
        return report


def _write_card(run: Run, problem: Problem, genotype: Genotype) -> None:
    """What somebody must know who uses the network without these data."""
    task = cast(Task, problem.task)
    known = costs_of(problem, genotype)
    description = problem.space.describe(genotype)
    card = card_of(task.split("train"), description, task.name, task.class_names, known)
    run.write_json(cards.FILE, card.to_json())


def _report(
    problem: Problem, trial: Trial, epochs: Sequence[Mapping[str, float]], seconds: float
) -> dict[str, Any]:
    task, metrics = cast(Task, problem.task), trial.metrics
    return {
        "verb": "retrain",
        "seconds": seconds,
        "problem": {
            "space": problem.space.name,
            "task": task.name,
            "input_shape": list(task.input_shape),
            "classes": task.classes,
            "networks": str(given(problem)),
            "images": {name: len(task.split(name)) for name in _SPLITS},
            "device": problem.device.name if problem.device else None,
            "seed": problem.seed,
        },
        "genotype": trial.genotype.to_json(),
        "description": problem.space.describe(trial.genotype),
        "result": {name: metrics[name] for name in _SCORES},
        "costs": {name: metrics[name] for name in COSTS if name in metrics},
        "epochs": list(epochs),
    }


def _row(epoch: Mapping[str, Any]) -> dict[str, float]:
    """One epoch of the report."""
    row = {
        "epoch": epoch["number"],
        "learning_rate": epoch["learning_rate"],
        "train_loss": epoch["train"]["loss"],
        "train_accuracy": epoch["train"]["accuracy"],
    }
    if epoch["valid"] is not None:
        valid = epoch["valid"]
        row |= {"valid_loss": valid["loss"], "valid_accuracy": valid["accuracy"]}
    return row


def _line(epoch: Epoch) -> str:
    text = f"epoch {epoch.number}: training loss {epoch.train.loss:.3f}"
    text += f", accuracy {epoch.train.accuracy:.2f} %"
    return f"{text}, validation {epoch.valid.accuracy:.2f} %" if epoch.valid else text
