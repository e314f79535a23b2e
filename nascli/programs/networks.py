"""A network, what it costs, and the latency table of its space."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascli.core.device import Stated
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.problem import Problem
from nascli.core.space import Knowing, Planned
from nascli.core.trial import Proposal
from nascli.costs.conditions import differing
from nascli.costs.cost import BYTES_PER_MB
from nascli.costs.latency_table import LatencyTable
from nascli.costs.plans import PlanCounter
from nascli.estimators.costs import Costs
from nascli.runs.folder import Run

if TYPE_CHECKING:
    from torch import nn

TABLE = "latency_table.csv"
_LISTS = ("Sequential", "ModuleList")


def network_of(problem: Problem, genotype: Genotype) -> nn.Module:
    """The genotype's network, its first weights drawn from the problem's seed."""
    import torch  # here: what a network costs is known without it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(problem.seed)
        return problem.space.network(genotype)


def costs_of(problem: Problem, genotype: Genotype) -> dict[str, float]:
    """Parameters, multiply-adds, FLOPs, peak memory and, on a device, latency."""
    return dict(Costs(problem).estimate(Proposal(genotype)))


def layers_of(problem: Problem, genotype: Genotype) -> list[dict[str, Any]]:
    """The layers of a network in the order of computing, each with what it costs.

    `layer`, `operation`, `channels` (in -> out), `pixels` (of its input), `stride`, `cell` (of
    which it is, or ""), `output` (its shape), `params`, `macs`, `output_mb`, and `latency_ms` with
    its `share` of all layers' where it has been measured. Of a space without plans the network is
    built, and its modules are told with their parameters.
    """
    space = problem.space
    if not isinstance(space, Planned):
        return _modules(problem, genotype)
    counter, plan = PlanCounter(space), space.plan(genotype)
    timed = problem.latencies.rows
    rows = []
    for place in plan.places:
        layer = place.layer
        if layer is None or place.name == plan.auxiliary:
            continue
        cost = counter.layer(layer)
        row = {
            **row_of(layer),
            "layer": place.name,
            "cell": place.cell,
            "output": "x".join(map(str, place.shape)),
            "params": cost.params,
            "macs": cost.macs,
            "output_mb": cost.output_bytes / BYTES_PER_MB,
        }
        if layer in timed:
            row["latency_ms"] = timed[layer].ms
        rows.append(row)
    whole = sum(row.get("latency_ms", 0.0) for row in rows)
    for row in rows:
        if whole and "latency_ms" in row:
            row["share"] = row["latency_ms"] / whole
    return rows


def _modules(problem: Problem, genotype: Genotype) -> list[dict[str, Any]]:
    """The parts of a network that has no plan, one level down where a part is only a list."""
    rows = []
    for name, part in network_of(problem, genotype).named_children():
        inside = list(part.named_children()) if type(part).__name__ in _LISTS else []
        for place, module in [(f"{name}.{n}", m) for n, m in inside] or [(name, part)]:
            params = sum(weight.numel() for weight in module.parameters())
            row = {"layer": place, "operation": type(module).__name__, "cell": "", "output": ""}
            rows.append({**row, "params": params})
    return rows


def row_of(layer: Layer) -> dict[str, Any]:
    """A layer as a row of a table, named by its sizes."""
    channels = f"{layer.in_channels} → {layer.out_channels}"
    pixels = f"{layer.height} x {layer.width}"
    return {
        "layer": f"{channels}, {pixels}" + (f", stride {layer.stride}" if layer.stride > 1 else ""),
        "operation": layer.operation,
        "channels": channels,
        "pixels": pixels,
        "stride": layer.stride,
    }


def keep_latencies(run: Run, problem: Problem) -> None:
    """The latency table is written down the moment it is measured, and the one on record is used.

    Where it was measured under other conditions than today's, that is said.

    Raises:
        Fault: the one on record is damaged.
    """
    file = run.path / TABLE
    if file.is_file():
        table = LatencyTable.from_csv(file)
        problem.latencies.rows.update(table)
        device = problem.device
        then = table.conditions
        other = differing(then, device.conditions() if isinstance(device, Stated) else then)
        if other:
            problem.listener.warn(
                f"warning: the latency table of this run was measured elsewhere: {other}; it is "
                "kept, so that the search goes on as it began"
            )
    problem.latencies.keep = lambda rows: run.write(TABLE, LatencyTable(rows).to_csv())


def recall_latencies(folder: Path, problem: Problem) -> None:
    """The latencies that a run has measured are known, if there are any.

    Raises:
        Fault: its table is damaged.
    """
    if (folder / TABLE).is_file():
        problem.latencies.rows.update(LatencyTable.from_csv(folder / TABLE))


def own_layers(problem: Problem, genotype: Genotype | None) -> dict[Layer, Callable[[], nn.Module]]:
    """The layers of a network, each with its module, where the space may not search it."""
    if genotype is None or not isinstance(problem.space, Knowing):
        return {}
    network = network_of(problem, genotype).eval()
    plan = problem.space.plan(genotype)
    return {p.layer: partial(network.get_submodule, p.name) for p in plan.places if p.layer}
