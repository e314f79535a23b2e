"""`nas profile`: times every layer that a space can ask for, and a network beside their sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nascli import ui
from nascli.config import profile as config
from nascli.config.compose import Asked
from nascli.core.device import Counting
from nascli.core.words import counted
from nascli.costs.latency_table import LatencyTable
from nascli.programs import profile as program
from nascli.report import footprint
from nascli.report.units import readable, words
from nascli.runs.folder import Run


def main(asked: Asked) -> None:
    """Measures, writes latency_table.csv and prints the run folder's path.

    Raises:
        Fault: the input is wrong.
    """
    listener = ui.Heard()
    run, parts = config.begin(asked, listener)
    if isinstance(parts.problem.device, Counting):
        _count(run, parts)
        return
    with ui.logging_to(run):
        with ui.Progress("layers timed", 1, percent=True) as bar:
            listener.step = bar.update
            found = program.profile(run, parts)
        _show(found.table, found.report["networks"])
        if parts.genotype is not None:
            ui.say(parts.problem.space.describe(parts.genotype))
            ui.say(_whole(found.report["network"]))
            ui.say(_costs(found.report["network"]["costs"], found.report["networks"]))
    ui.path(run.path)


def _count(run: Run, parts: program.Parts) -> None:
    """What a device that counts says of the network."""
    assert parts.genotype is not None
    with ui.logging_to(run):
        report = program.counted(run, parts)
        network = report["network"]
        ui.say(parts.problem.space.describe(parts.genotype))
        ui.table(
            f"by layer, in KiB, of a network for {report['networks']}", *footprint.places(network)
        )
        ui.table("in all", ("", ""), footprint.totals(network))
        ui.say(network["blocking"])
        ui.table(
            "memory of chips, and what fits (weights; code needs flash too)",
            *footprint.chips(network),
        )
    ui.path(run.path)


def _costs(costs: Mapping[str, float], networks: str) -> str:
    """What it costs, and what it is a network for."""
    told = ", ".join(f"{readable(name, value)} {words(name)}" for name, value in costs.items())
    return f"network for {networks}: {told}"


def _show(table: LatencyTable, networks: str) -> None:
    """The slowest layers."""
    slowest = sorted(table, key=lambda layer: -table[layer].ms)[:10]
    rows = [
        [
            layer.operation,
            f"{layer.in_channels} -> {layer.out_channels}",
            str(layer.stride),
            f"{layer.height} x {layer.width}",
            f"{table[layer].ms:.3f}",
            f"{table[layer].p10_ms:.3f} .. {table[layer].p90_ms:.3f}",
        ]
        for layer in slowest
    ]
    head = ("operation", "channels", "stride", "input", "ms", "p10 .. p90")
    timed = f"{counted(len(table), 'layer')} timed of networks for {networks}; the slowest:"
    ui.table(timed, head, rows)


def _whole(network: Mapping[str, Any]) -> str:
    """The network's measured latency beside the sum of its layers."""
    measured, total = network["latency_ms"], network["table_sum_ms"]
    error = 100 * (total / measured - 1)
    return (
        f"whole network: {measured:.3f} ms measured "
        f"(p10 {network['p10_ms']:.3f}, p90 {network['p90_ms']:.3f}, "
        f"{network['repeats']} repeats); the table's sum: {total:.3f} ms ({error:+.1f} %)"
    )
