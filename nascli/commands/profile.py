"""`nas profile`: what layers and networks of a space take on a device."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nascli import ui
from nascli.config import profile as config
from nascli.config.compose import Asked
from nascli.core.device import Counting
from nascli.core.words import counted
from nascli.costs.latency_table import LatencyTable
from nascli.programs import profile as program
from nascli.programs.networks import layers_of
from nascli.report import footprint, latency_words
from nascli.report.units import readable, words
from nascli.runs.folder import Run

_RIDGE = re.compile(r", ridge [\d.e+-]+")


def main(asked: Asked) -> None:
    """Measures, says how well others are predicted, and prints the run folder's path.

    Raises:
        Fault: the input is wrong.
    """
    listener = ui.Heard()
    run, parts = config.begin(asked, listener)
    if isinstance(parts.problem.device, Counting):
        _count(run, parts)
        return
    with ui.logging_to(run):
        with ui.Progress("timed", 1, percent=True) as bar:
            listener.step = bar.update
            found = program.profile(run, parts)
        if found.table is not None:
            _show(found.table, found.report["networks"])
        if parts.genotype is not None:
            ui.say(parts.problem.space.describe(parts.genotype))
            _shares(layers_of(parts.problem, parts.genotype))
            ui.say(_whole(found.report["network"]))
            ui.say(_costs(found.report["network"]["costs"], found.report["networks"]))
        if "prediction" in found.report:
            _models(found.report["models"], found.report["prediction"]["model"])
            ui.say(latency_words.prediction(found.report, parts.settings["device"]))
        if "prediction" in found.report or parts.genotype is not None:
            ui.say(f"next:   {program.following(run, parts)}")
        ui.say(f"report: {run.path / 'report.html'}")
    ui.path(run.path)


def _count(run: Run, parts: program.Parts) -> None:
    """What a device that counts says of the network."""
    assert parts.genotype is not None
    with ui.logging_to(run):
        report = program.profile(run, parts).report
        ui.say(parts.problem.space.describe(parts.genotype))
        ui.table(
            f"by layer, in KiB, of a network for {report['networks']}", *footprint.places(report)
        )
        ui.table("in all", ("", ""), footprint.totals(report))
        ui.say(report["blocking"])
        ui.table(
            "memory of chips, and what fits (weights; code needs flash too)",
            *footprint.chips(report),
        )
        ui.say(f"next:   {program.following(run, parts)}")
        ui.say(f"report: {run.path / 'report.html'}")
    ui.path(run.path)


def _models(rows: Sequence[Mapping[str, Any]], chosen: str) -> None:
    """How far off models were on networks left out of their fit: of each kind the best ridge."""
    head = ("predicts whole networks by", "mean error on those left out")
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(_RIDGE.sub("", row["model"]), []).append(row)
    best = [min(several, key=lambda row: row["error"])["model"] for several in kinds.values()]
    lines = [
        [str(row["model"]), f"{row['error']:.2%}"]
        for row in rows
        if row["model"] in {*best, chosen}
    ]
    ui.table("the simplest model that none is clearly better than is chosen:", head, lines)


def _shares(layers: Sequence[Mapping[str, Any]]) -> None:
    """Which layers of a network take most of its time."""
    if all("share" in row for row in layers) and layers:
        slowest = sorted(layers, key=lambda row: -row["latency_ms"])[:10]
        rows = [
            [row["layer"], row["operation"], f"{row['latency_ms']:.3f}", f"{row['share']:.1%}"]
            for row in slowest
        ]
        head = ("layer", "operation", "ms", "share")
        ui.table(f"the slowest of its {counted(len(layers), 'layer')}:", head, rows)


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
    measured = network["latency_ms"]
    said = (
        f"whole network: {measured:.3f} ms measured (median {network['median_ms']:.3f}, "
        f"p10 {network['p10_ms']:.3f}, p90 {network['p90_ms']:.3f}, {network['repeats']} repeats)"
    )
    if "table_sum_ms" not in network:
        return f"{said}; its layers run fused with each other"
    total = network["table_sum_ms"]
    return f"{said}; the table's sum: {total:.3f} ms ({100 * (total / measured - 1):+.1f} %)"
