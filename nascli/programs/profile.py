"""Times every layer that a space can ask for, and a network beside their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.costs.latency_table import LatencyTable, measured
from nascli.programs.networks import costs_of, keep_latencies, network_of, own_layers
from nascli.runs.folder import REPORT, Run


@dataclass(frozen=True)
class Parts:
    """What is measured: the layers of the problem's space, and a network (None: no network)."""

    problem: Problem
    genotype: Genotype | None


@dataclass(frozen=True)
class Outcome:
    """What was measured."""

    table: LatencyTable
    report: dict[str, Any]


def profile(run: Run, parts: Parts) -> Outcome:
    """Measures, and writes latency_table.csv and report.json.

    Raises:
        Fault: the disk takes no more.
    """
    keep_latencies(run, parts.problem)
    table = measured(parts.problem, own_layers(parts.problem, parts.genotype))
    report: dict[str, Any] = {
        "verb": "profile",
        "rows": len(table),
        "networks": str(given(parts.problem)),
    }
    if parts.genotype is not None:
        report["network"] = _whole(parts.problem, parts.genotype, table)
    run.write_json(REPORT, report)
    return Outcome(table, report)


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
