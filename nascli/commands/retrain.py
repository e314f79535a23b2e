"""`nas retrain`: trains a genotype from scratch and scores it once on the test split."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig

from nascli import genotypes, ui
from nascli.commands import build, images, settings
from nascli.commands.costs import costs_of, network_of
from nascli.commands.outcome import write_report
from nascli.commands.resume import recorded_config, stoppable
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.data.task import SplitName, Task
from nascli.report import curves, drawings
from nascli.report.units import readable, words
from nascli.runs.environment import initial_files
from nascli.runs.folder import Run
from nascli.training.fit import Epoch, fit, score

WEIGHTS = "weights.pt"
_ROUNDING = 0.2  # percent: a GPU may add up in another order


check = build.network


def main(config: DictConfig, choices: dict[str, str], overrides: Sequence[str]) -> None:
    """Retrains, or goes on with the training in `config.resume`; prints the folder's path.

    Raises:
        Fault: the input is wrong.
        KeyboardInterrupt: the user has stopped it; the last whole epoch is saved.
    """
    run = None
    if config.resume:
        run = Run.open(Path(config.resume))
        config = recorded_config(run.path, config, overrides)
        config.genotype = str(run.path / genotypes.FILE)
    problem, genotype = build.network(config)
    if run is None:
        label = "_".join(choices[key] for key in ("space", "data") if key in choices)
        files = initial_files(config, choices, overrides)
        files[genotypes.FILE] = genotypes.dump(genotype)
        run = Run.claim(Path(config.outputs), "retrain", label, files)
    settings.set_threads(config, problem)
    with ui.logging_to(run):
        _retrain(run, problem, genotype, config)
    ui.path(run.path)


def _retrain(run: Run, problem: Problem, genotype: Genotype, config: DictConfig) -> None:
    """Trains, saves, and reports."""
    start = time.monotonic()
    images.recorded(run, problem.task, tested=True)
    costs = costs_of(problem, genotype)
    ui.say(problem.space.describe(genotype))
    epochs = _train(run, problem, genotype, readable("params", costs["params"]))
    rows = [_row(epoch) for epoch in epochs]
    result = _scores(run, problem, genotype, epochs[-1])
    report = {
        "verb": "retrain",
        "seconds": round(time.monotonic() - start, 3),
        "problem": _problem(problem),
        "genotype": genotype.to_json(),
        "description": problem.space.describe(genotype),
        "result": result,
        "costs": costs,
        "epochs": rows,
    }
    write_report(run, report, {**curves.training(rows), **drawings.draw(genotype)}, config)
    values = {**result, **costs}
    ui.table("", ("", ""), [[words(name), readable(name, v)] for name, v in values.items()])
    ui.say(f"weights: {run.path / WEIGHTS} (reloaded and scored)")
    ui.say(f"report:  {run.path / 'report.html'}")


def _train(run: Run, problem: Problem, genotype: Genotype, size: str) -> tuple[Epoch, ...]:
    """All epochs, a checkpoint after each; the weights are in the run folder afterwards."""
    task, recipe = cast(Task, problem.task), problem.recipe
    train, network = task.split("train"), network_of(problem, genotype)
    several = f"{len(train)} images of {task.name}"
    ui.say(f"training {size} parameters on {several} for {recipe.epochs} epochs in {run.path}")
    state = run.load_state("training")
    with ui.Progress("epoch", recipe.epochs) as bar, stoppable("retrain", run.path):
        told = ""

        def ended(epoch: Epoch, checkpoint: dict[str, Any]) -> None:
            nonlocal told
            run.save_state({"training": checkpoint})
            told = _line(epoch)
            ui.trace(told)
            bar.update(epoch.number, told)

        epochs = fit(
            network,
            train,
            task.split("valid"),
            recipe,
            accelerator=problem.accelerator,
            seed=problem.seed,
            on_epoch=ended,
            progress=lambda done, _text: bar.update(done * recipe.epochs, told),
            state=state["training"] if state else None,
        )
    run.save(WEIGHTS, network.state_dict())
    return epochs


def _scores(run: Run, problem: Problem, genotype: Genotype, last: Epoch) -> dict[str, float]:
    """The accuracies of the weights as the file gives them back; the test split is read here only.

    Raises:
        RuntimeError: the file does not hold the network that was trained.
    """
    task = cast(Task, problem.task)
    network = network_of(problem, genotype)
    network.load_state_dict(run.load(WEIGHTS))
    names: tuple[SplitName, ...] = ("train", "valid", "test")
    scores = {
        f"{name}_accuracy": score(network, task.split(name), problem.accelerator).accuracy
        for name in names
    }
    if last.valid and abs(scores["valid_accuracy"] - last.valid.accuracy) > _ROUNDING:
        reloaded, trained = scores["valid_accuracy"], last.valid.accuracy
        raise RuntimeError(f"the reloaded weights score {reloaded} %, the trained ones {trained} %")
    return scores


def _problem(problem: Problem) -> dict[str, Any]:
    task = cast(Task, problem.task)
    names: tuple[SplitName, ...] = ("train", "valid", "test")
    return {
        "space": problem.space.name,
        "task": task.name,
        "input_shape": list(task.input_shape),
        "classes": task.classes,
        "images": {name: len(task.split(name)) for name in names},
        "device": problem.device.name if problem.device else None,
        "seed": problem.seed,
    }


def _row(epoch: Epoch) -> dict[str, float]:
    """One epoch of the report."""
    row = {
        "epoch": epoch.number,
        "learning_rate": epoch.learning_rate,
        "train_loss": epoch.train.loss,
        "train_accuracy": epoch.train.accuracy,
    }
    if epoch.valid is not None:
        row |= {"valid_loss": epoch.valid.loss, "valid_accuracy": epoch.valid.accuracy}
    return row


def _line(epoch: Epoch) -> str:
    text = f"epoch {epoch.number}: training loss {epoch.train.loss:.3f}"
    text += f", accuracy {epoch.train.accuracy:.2f} %"
    return f"{text}, validation {epoch.valid.accuracy:.2f} %" if epoch.valid else text
