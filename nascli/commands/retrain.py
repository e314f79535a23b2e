"""`nas retrain`: trains a genotype from scratch and scores it once on the test split."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nascli import ui
from nascli.commands.interrupts import stoppable
from nascli.config import retrain as config
from nascli.config import values
from nascli.config.compose import Asked
from nascli.core import launch
from nascli.core.traits import traits_of
from nascli.core.trial import Trial
from nascli.programs import forecast
from nascli.report import baselines as words
from nascli.report.units import readable
from nascli.report.units import words as named
from nascli.runs.folder import WEIGHTS

if TYPE_CHECKING:
    from nascli.programs.retrain import Parts


def main(asked: Asked) -> None:
    """Retrains, or goes on with a training; prints the folder's path.

    Raises:
        Fault: the input is wrong.
        KeyboardInterrupt: the user has stopped it; the last whole epoch is saved.
    """
    listener = ui.Heard()
    if launch.place()[1] == 1:
        run, parts = config.begin(asked, listener)
    else:
        from nascli.programs.together import follow, joined

        together = joined(asked.config.accelerator)
        if together.rank:
            follow(together, config.followed)
            return
        run, parts = config.begin(asked, listener)
        parts = replace(parts, together=together)
        together.tell(parts.settings)
    from nascli.programs import retrain as program  # torch, which a wrong one does without

    epochs = parts.problem.recipe.epochs
    with ui.logging_to(run):
        ui.say(parts.problem.space.describe(parts.genotype))
        if parts.sizes is not None:
            ui.table("", ("", "searched", "retrained"), _rows(words.compared(*parts.sizes)))
        total = epochs * len(parts.networks.trainings)
        with stoppable(asked, run.path):
            expected = _forecast(asked, parts)
        start, there = time.monotonic(), 0.0

        def left() -> float | None:
            since = time.monotonic() - start
            return None if expected is None else expected.left(since, there / epochs)

        with ui.Progress("epoch", total, left=left) as bar, stoppable(asked, run.path):
            ended = 0

            def one_more(trial: Trial) -> None:
                nonlocal ended, there
                ended += epochs
                there = ended
                bar.update(ended, "" if parts.networks.alone else program.told(parts, trial))

            def step(done: float, text: str) -> None:
                nonlocal there
                there = ended + done * epochs
                bar.update(there, text)

            listener.step = step
            listener.ended = one_more
            report = program.retrain(run, parts)
        test = report["test"]
        beside = {name: value for name, value in test.items() if isinstance(value, float)}
        values = {**report["result"], **beside, **report["costs"]}
        rows = [[named(name), readable(name, v)] for name, v in values.items()]
        which = "" if parts.networks.alone else ", its first seed"
        ui.table(f"network for {report['problem']['networks']}{which}", ("", ""), rows)
        ui.say(_hardest(test["per_class"]))
        if "int8" in report:
            ui.say(_in_8_bits(report["int8"]))
        if "verdict" in report:
            ui.table("all from scratch, by the same recipe", *words.table(report["networks"]))
            for line in report["verdict"]:
                ui.say(line)
        ui.say(f"weights: {run.path / WEIGHTS} (reloaded and scored)")
        ui.say(f"report:  {run.path / 'report.html'}")
        ui.say(f"next:    {asked.then('export', f'genotype={run.path}', 'format=onnx')}")
    ui.path(run.path)


def _forecast(asked: Asked, parts: Parts) -> forecast.Forecast | None:
    """What the trainings will take, said; None where that is not known beforehand."""
    apart = traits_of(values.made_by(asked.config, "workers")).own_processes
    if apart or asked.config.get("resume") or parts.together.count > 1:
        return None
    found = forecast.tried(lambda: forecast.retrain(parts), parts)
    if found is not None:
        ui.say(forecast.words(found, "training"))
    return found


def _in_8_bits(found: Mapping[str, Any]) -> str:
    """How accurate the network is as a microcontroller computes it."""
    if "unknown" in found:
        return f"accuracy in 8 bits: not known; {found['unknown']}"
    points = found["test_accuracy"] - found["float_test_accuracy"]
    return (
        f"accuracy in 8 bits: {readable('accuracy', found['test_accuracy'])}, {points:+.2f} points "
        f"(onnxruntime's static quantisation, ranges from {found['calibrated_on']} training images)"
    )


def _rows(sizes: Sequence[Mapping[str, str]]) -> list[list[str]]:
    return [list(row.values()) for row in sizes]


def _hardest(shares: Mapping[str, float | None]) -> str:
    """The classes that it recognises least."""
    known = sorted((share, name) for name, share in shares.items() if share is not None)
    worst = ", ".join(f"{name} ({share:.1f} %)" for share, name in known[:3])
    return f"test images, hardest classes: {worst}; all of them, and the confusion: report.json"
