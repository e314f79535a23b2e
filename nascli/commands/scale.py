"""`nas scale`: a family of larger networks from one genotype."""

from __future__ import annotations

from nascli import ui
from nascli.config import scale as config
from nascli.config.compose import Asked
from nascli.core.words import counted
from nascli.programs import images
from nascli.programs import scale as program
from nascli.report.units import readable, words


def main(asked: Asked) -> None:
    """Counts the family, writes its genotypes and prints the run folder's path.

    Raises:
        Fault: the input is wrong.
    """
    run, parts = config.begin(asked, ui.Heard())
    with ui.logging_to(run):
        rows = program.scale(run, parts)
        costs = [m for m in next(iter(rows.values()))["costs"] if m not in ("params", "flops")]
        head = ("", "width", "depth", "pixels", "parameters", *map(words, costs))
        table = [
            [
                name,
                f"{row['width']:.4g}",
                f"{row['depth']:.4g}",
                str(row["resolution"]),
                f"{row['costs']['params']:,.0f}",
                *(readable(metric, row["costs"][metric]) for metric in costs),
            ]
            for name, row in rows.items()
        ]
        task = next(iter(parts.members.values())).problem.task
        made_for = f"{counted(task.classes, 'class')}, {counted(task.input_shape[0], 'channel')}"
        ui.table(
            f"the family, and what its networks cost for {task.name} ({made_for}):", head, table
        )
        ui.say(f"next:   {program.following(run, parts)}")
        there = any(word.startswith(("data.path=", "data.download=")) for word in parts.data)
        if "download" in parts.settings["data"] and not there:
            ui.say(images.wanted(task.name))
    ui.path(run.path)
