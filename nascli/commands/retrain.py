"""`nas retrain`: trains a genotype from scratch and scores it once on the test split."""

from __future__ import annotations

from nascli import ui
from nascli.commands.interrupts import stoppable
from nascli.config import retrain as config
from nascli.config.compose import Asked
from nascli.programs import retrain as program
from nascli.report.units import readable, words


def main(asked: Asked) -> None:
    """Retrains, or goes on with a training; prints the folder's path.

    Raises:
        Fault: the input is wrong.
        KeyboardInterrupt: the user has stopped it; the last whole epoch is saved.
    """
    listener = ui.Heard()
    run, parts = config.begin(asked, listener)
    epochs = parts.problem.recipe.epochs
    with ui.logging_to(run):
        ui.say(parts.problem.space.describe(parts.genotype))
        with ui.Progress("epoch", epochs) as bar, stoppable(asked, run.path):
            listener.step = lambda done, text: bar.update(done * epochs, text)
            report = program.retrain(run, parts)
        values = {**report["result"], **report["costs"]}
        rows = [[words(name), readable(name, v)] for name, v in values.items()]
        ui.table(f"network for {report['problem']['networks']}", ("", ""), rows)
        ui.say(f"weights: {run.path / program.WEIGHTS} (reloaded and scored)")
        ui.say(f"report:  {run.path / 'report.html'}")
    ui.path(run.path)
