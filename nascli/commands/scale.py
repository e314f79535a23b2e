"""`nas scale`: a family of larger networks from one genotype."""

from __future__ import annotations

from nascli import ui
from nascli.commands.interrupts import stoppable
from nascli.config import scale as config
from nascli.config.compose import Asked
from nascli.core.trial import Trial
from nascli.core.words import counted
from nascli.programs import images
from nascli.programs import scale as program
from nascli.report import families as words


def main(asked: Asked) -> None:
    """Counts the family, writes its genotypes and prints the run folder's path.

    Raises:
        Fault: the input is wrong, or too little came of a grid.
        KeyboardInterrupt: the user has stopped a grid; every network that has ended is saved.
    """
    listener = ui.Heard()
    run, parts = config.begin(asked, listener)
    with ui.logging_to(run):
        if parts.grid is None:
            found = program.scale(run, parts)
        else:
            with ui.Progress("network", None) as bar, stoppable(asked, run.path):
                ended = 0

                def one_more(_trial: Trial) -> None:
                    nonlocal ended
                    ended += 1
                    bar.update(ended, "")

                listener.step = lambda done, text: bar.update(ended + min(done, 0.99), text)
                listener.ended = one_more
                found = program.scale(run, parts)
        task = next(iter(parts.members.values())).problem.task
        made_for = f"{counted(task.classes, 'class')}, {counted(task.input_shape[0], 'channel')}"
        family = "the family"
        if parts.grid is not None:
            title = (
                "candidates, by their accuracy on the validation split (those that round to the "
            )
            ui.table(f"{title}same network once):", *words.candidates(found.report["candidates"]))
            family += f" of {found.report['chosen']}"
        ui.table(
            f"{family}, and what its networks cost for {task.name} ({made_for}):",
            *words.table(found.report["family"]),
        )
        for name, rows in found.report.get("beside", {}).items():
            ui.table(f"beside it, {name} alone:", *words.table(rows))
        if parts.grid is not None:
            ui.say(f"report: {run.path / 'report.html'}")
        ui.say(f"next:   {found.following}")
        pixels = list(found.report["family"].values())[-1]["resolution"]
        said = parts.data(pixels)
        there = any(word.startswith(("data.path=", "data.download=")) for word in said)
        if "download" in parts.settings["data"] and not there:
            ui.say(images.wanted(task.name))
    ui.path(run.path)
