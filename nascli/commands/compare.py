"""`nas compare`: searches of the same problem side by side."""

from __future__ import annotations

from nascli import ui
from nascli.config import compare as config
from nascli.config import recorded
from nascli.config.compose import Asked
from nascli.programs import compare as program
from nascli.report import tabulation


def main(asked: Asked) -> None:
    """Compares, writes curves, tables and report, and prints the run folder's path.

    Raises:
        Fault: the input is wrong, or the runs do not compare.
    """
    parts = config.build(asked)
    listener = ui.Heard()
    with ui.Progress("runs read", 1, percent=True) as bar:
        listener.step = bar.update
        comparison = program.read(parts, listener)
    run = recorded.named(asked, parts.label)
    with ui.logging_to(run):
        found = program.compare(run, parts, comparison)
        for line in found.remarks:
            ui.say(line)
        _say(found)
        ui.say(f"report: {run.path / 'report.html'}")
    ui.path(run.path)


def _say(found: program.Outcome) -> None:
    """The table and the tests."""
    comparison, contrasts = found.comparison, found.contrasts
    lines = [tabulation.line(comparison, row) for row in found.rows]
    ui.table("", tabulation.head(comparison), lines)
    ui.say(tabulation.reading(comparison, contrasts))
    if len(contrasts) > tabulation.FEW_PAIRS:
        ui.table("every two groups", *tabulation.pairs(comparison, contrasts))
