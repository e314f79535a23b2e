"""`nas retrain`: trains a genotype from scratch and scores it once on the test split."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli import genotypes, ui
from nascli.commands import build, settings
from nascli.commands.costs import costs_of, network_of
from nascli.commands.environment import papers
from nascli.commands.outcome import write_report
from nascli.commands.resume import recorded_config
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.report import drawings, figures
from nascli.report.units import readable, words
from nascli.run import Run
from nascli.training.fit import Epoch, fit, score

WEIGHTS = "weights.pt"
_GENOTYPE = "genotype.json"


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
        config.genotype = str(run.path / _GENOTYPE)
    problem, genotype = build.network(config)
    if run is None:
        label = "_".join(choices[key] for key in ("space", "data") if key in choices)
        files = papers(config, choices, overrides)
        files[_GENOTYPE] = genotypes.dump(genotype)
        run = Run.claim(Path(config.outputs), "retrain", label, files)
    settings.set_threads(config, problem)
    with ui.logging_to(run):
        _retrain(run, problem, genotype, config)
    ui.path(run.path)


def _retrain(run: Run, problem: Problem, genotype: Genotype, config: DictConfig) -> None:
    """Trains, saves, reloads what was saved, and only then looks at the test split."""
    task: Any = problem.task
    network, recipe = network_of(problem, genotype), problem.training
    where, start = problem.accelerator, time.monotonic()
    costs = costs_of(problem, genotype)
    ui.say(problem.space.describe(genotype))
    ui.say(
        f"training {readable('params', costs['params'])} parameters on {len(task.split('train'))} "
        f"images of {task.name} for {recipe.epochs} epochs in {run.path}"
    )
    state = run.load_state("training")
    signal.signal(signal.SIGTERM, _interrupt)
    with ui.Progress("epoch", recipe.epochs) as bar:

        def ended(epoch: Epoch, checkpoint: dict[str, Any]) -> None:
            run.save_state({"training": checkpoint})
            ui.trace(_line(epoch))
            bar.update(epoch.number, _line(epoch))

        try:
            epochs = fit(
                network,
                task.split("train"),
                task.split("valid"),
                recipe,
                accelerator=where,
                seed=problem.seed,
                on_epoch=ended,
                progress=lambda done, _text: bar.update(done * recipe.epochs, ""),
                state=state["training"] if state else None,
            )
        except KeyboardInterrupt:
            ui.say(f"interrupted; go on with: nas retrain resume={run.path}")
            raise
    run.save(WEIGHTS, network.state_dict())
    loaded = network_of(problem, genotype)
    loaded.load_state_dict(run.load(WEIGHTS))
    again = score(loaded, task.split("valid"), where).accuracy
    if epochs[-1].valid is not None and abs(again - epochs[-1].valid.accuracy) > 0.2:
        raise RuntimeError(f"reloaded weights score {again} %, not {epochs[-1].valid.accuracy} %")
    result = {
        "train_accuracy": score(loaded, task.split("train"), where).accuracy,
        "valid_accuracy": again,
        "test_accuracy": score(loaded, task.split("test"), where).accuracy,
    }
    rows = [_row(epoch) for epoch in epochs]
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
    write_report(run, report, {**figures.training(rows), **drawings.draw(genotype)}, config)
    values = {**result, **costs}
    ui.table("", ("", ""), [[words(name), readable(name, v)] for name, v in values.items()])
    ui.say(f"weights: {run.path / WEIGHTS} (reloaded and scored)")
    ui.say(f"report:  {run.path / 'report.html'}")


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _problem(problem: Problem) -> dict[str, Any]:
    task: Any = problem.task
    sizes = {name: len(task.split(name)) for name in ("train", "valid", "test")}
    return {
        "space": problem.space.name,
        "task": task.name,
        "input_shape": list(task.input_shape),
        "classes": task.classes,
        "images": sizes,
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
