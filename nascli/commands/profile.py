"""`nas profile`: times every layer that a space can ask for, and a network beside their sum."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from nascli import ui
from nascli.commands import build
from nascli.commands.costs import TABLE, costs_of, latency_table, network_of
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.costs.latency_table import LatencyTable
from nascli.runs.environment import initial_files
from nascli.runs.folder import REPORT, Run


def check(config: DictConfig) -> Problem:
    """The problem whose layers are to be timed.

    Raises:
        Fault: everything that is wrong with the config.
    """
    problem = build.network(config)[0] if config.genotype else build.stated(config)
    if problem.device is None:
        raise Fault("nothing to measure: device is none; take device=cpu or device=cuda")
    return problem


def main(config: DictConfig, choices: dict[str, str], overrides: Sequence[str]) -> None:
    """Measures, writes latency_table.csv and prints the run folder's path.

    Raises:
        Fault: the input is wrong.
    """
    problem = check(config)
    genotype = build.network(config)[1] if config.genotype else None
    label = "_".join(choices[key] for key in ("device", "space") if key in choices)
    files = initial_files(config, choices, overrides)
    run = Run.claim(Path(config.outputs), "profile", label, files)
    with ui.logging_to(run):
        table = latency_table(problem)
        run.write(TABLE, table.to_csv())
        _show(table)
        report: dict[str, object] = {"rows": len(table)}
        if genotype is not None:
            report["network"] = _whole(problem, genotype, table)
        run.write_json(REPORT, report)
    ui.path(run.path)


def _show(table: LatencyTable) -> None:
    """The slowest layers."""
    slowest = sorted(table, key=lambda layer: -table[layer].median_ms)[:10]
    rows = [
        [
            layer.operation,
            f"{layer.in_channels} -> {layer.out_channels}",
            str(layer.stride),
            f"{layer.height} x {layer.width}",
            f"{table[layer].median_ms:.3f}",
            f"{table[layer].p10_ms:.3f} .. {table[layer].p90_ms:.3f}",
        ]
        for layer in slowest
    ]
    head = ("operation", "channels", "stride", "input", "median ms", "p10 .. p90")
    ui.table(f"{len(table)} layers timed; the slowest:", head, rows)


def _whole(problem: Problem, genotype: Genotype, table: LatencyTable) -> dict[str, object]:
    """The network's measured latency beside the sum of its layers."""
    assert problem.device is not None
    network = network_of(problem, genotype).eval()
    shape = problem.task.input_shape
    try:
        total = table.sum_ms(network, shape)
    except Fault as fault:
        raise Fault(f"{fault} (the table was measured for this space: please report it)") from fault
    latency = problem.device.latency(network, shape)
    error = 100 * (total / latency.median_ms - 1)
    ui.say(problem.space.describe(genotype))
    ui.say(
        f"whole network: {latency.median_ms:.3f} ms measured "
        f"(p10 {latency.p10_ms:.3f}, p90 {latency.p90_ms:.3f}, {latency.repeats} repeats); "
        f"the table's sum: {total:.3f} ms ({error:+.1f} %)"
    )
    return {
        "genotype": genotype.to_json(),
        "costs": costs_of(problem, genotype),
        "latency_ms": latency.median_ms,
        "p10_ms": latency.p10_ms,
        "p90_ms": latency.p90_ms,
        "repeats": latency.repeats,
        "conditions": dict(latency.conditions),
        "table_sum_ms": total,
    }
