"""`nas scale`: a family of larger networks from one genotype."""

from __future__ import annotations

from functools import partial

from nascli import ui
from nascli.config import scale as config
from nascli.config.compose import Asked
from nascli.programs import scale as program
from nascli.report.units import readable, words


def main(asked: Asked) -> None:
    """Counts the family, writes its genotypes and prints the run folder's path.

    Raises:
        Fault: the input is wrong.
    """
    run, members = config.begin(asked, ui.Heard())
    outputs = asked.config.outputs
    with ui.logging_to(run):
        rows = program.scale(run, members, asked.plain(), partial(asked.then, outputs=outputs))
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
        ui.table("the family, and what its networks cost:", head, table)
        last, row = list(rows.items())[-1]
        this = asked.then("retrain", f"genotype={run.path / last}.json", outputs=outputs)
        ui.say(f"next:   {this}   # {row['resolution']} pixels")
    ui.path(run.path)
