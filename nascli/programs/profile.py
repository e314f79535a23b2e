"""Times every layer that a space can ask for, and a network beside their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nascli.core.device import Counting
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.space import Planned
from nascli.costs.latency_table import LatencyTable, measured
from nascli.programs.networks import (
    costs_of,
    keep_latencies,
    layers_of,
    network_of,
    own_layers,
    row_of,
)
from nascli.programs.reporting import Then, plain, write_report
from nascli.report import contents
from nascli.report.page import Content
from nascli.runs.folder import REPORT, Run


@dataclass(frozen=True)
class Parts:
    """What is measured: the layers of the problem's space, and a network (None: no network).

    `settings` is the config as plain data; `then` gives the command line of another verb.
    """

    problem: Problem
    genotype: Genotype | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    then: Then = plain


@dataclass(frozen=True)
class Outcome:
    """What was measured."""

    table: LatencyTable
    report: dict[str, Any]


def profile(run: Run, parts: Parts) -> Outcome:
    """Measures, and writes latency_table.csv and the report.

    Raises:
        Fault: the disk takes no more.
    """
    keep_latencies(run, parts.problem)
    device = parts.problem.device
    assert device is not None
    table = measured(parts.problem, own_layers(parts.problem, parts.genotype))
    report: dict[str, Any] = {
        "verb": "profile",
        "rows": len(table),
        "networks": str(given(parts.problem)),
        "title": f"profile · {parts.problem.space.name} · {device.name}",
    }
    if parts.genotype is not None:
        report["description"] = parts.problem.space.describe(parts.genotype)
        report["network"] = _whole(parts.problem, parts.genotype, table)
    write_report(run, _content(parts, report, table))
    return Outcome(table, report)


def _content(parts: Parts, report: Mapping[str, Any], table: LatencyTable) -> Content:
    """What the page shows: the network's layers, or else all that were timed, the slowest first."""
    problem, genotype = parts.problem, parts.genotype
    if genotype is None:
        slowest = sorted(table, key=lambda layer: -table[layer].median_ms)
        layers = [row_of(layer) | {"latency_ms": table[layer].median_ms} for layer in slowest]
        return Content(report, contents.latencies(layers), config=parts.settings, layers=layers)
    layers = layers_of(problem, genotype)
    drawn = contents.drawn_twice(problem.space, genotype)
    this = f"genotype={parts.settings['genotype']}"
    then = [("train this network from scratch:", parts.then("retrain", this))]
    return Content(
        report, contents.latencies(layers), config=parts.settings, layers=layers, then=then, **drawn
    )


def counted(run: Run, parts: Parts) -> dict[str, Any]:
    """What a device that counts says of the network, place by place; writes report.json.

    Raises:
        Fault: the disk takes no more, or the device does not know an operation.
    """
    problem, genotype = parts.problem, parts.genotype
    device, space = problem.device, problem.space
    assert isinstance(device, Counting) and isinstance(space, Planned) and genotype is not None
    report = {
        "verb": "profile",
        "networks": str(given(problem)),
        "network": {
            "genotype": genotype.to_json(),
            "costs": costs_of(problem, genotype),
            **device.details(space, space.plan(genotype)),
        },
    }
    run.write_json(REPORT, report)
    return report


def _whole(problem: Problem, genotype: Genotype, table: LatencyTable) -> dict[str, Any]:
    """The network's measured latency beside the sum of its layers."""
    assert problem.device is not None
    network = network_of(problem, genotype).eval()
    shape = problem.task.input_shape
    try:
        total = table.sum_ms(network, shape)
    except Fault as fault:
        raise Fault(f"{fault} (the table was measured for this space: please report it)") from fault
    latency = problem.device.latency(network, shape)
    return {
        "genotype": genotype.to_json(),
        "costs": costs_of(problem, genotype),
        "latency_ms": latency.ms,
        "median_ms": latency.median_ms,
        "p10_ms": latency.p10_ms,
        "p90_ms": latency.p90_ms,
        "repeats": latency.repeats,
        "conditions": dict(latency.conditions),
        "table_sum_ms": total,
    }
