"""A network, what it costs, and the latency table of its space."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.problem import Problem
from nascli.core.space import Knowing
from nascli.core.trial import Proposal
from nascli.core.words import counted
from nascli.costs.latency_table import LatencyTable, measure
from nascli.estimators.costs import Costs

if TYPE_CHECKING:
    from torch import nn

TABLE = "latency_table.csv"


def network_of(problem: Problem, genotype: Genotype) -> nn.Module:
    """The genotype's network, its first weights drawn from the problem's seed."""
    import torch  # here: what a network costs is known without it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(problem.seed)
        return problem.space.network(genotype)


def costs_of(problem: Problem, genotype: Genotype) -> dict[str, float]:
    """Parameters, multiply-adds, FLOPs, peak memory and, on a device, latency."""
    return dict(Costs(problem).estimate(Proposal(genotype)))


def latency_table(problem: Problem, genotype: Genotype | None = None) -> LatencyTable:
    """Times the layers of the problem's space on its device; the listener hears of progress.

    Those of the network of `genotype` are among them, also where the space does not search it.
    """
    assert problem.device is not None
    hear = problem.listener.progress

    def timed(done: int, total: int) -> None:
        hear(done / total, f"{done} of {counted(total, 'layer')} timed")

    return measure(problem.space, problem.device, timed, _own_layers(problem, genotype))


def _own_layers(
    problem: Problem, genotype: Genotype | None
) -> dict[Layer, Callable[[], nn.Module]]:
    """The layers of a network, each with its module, where the space has a plan of it."""
    if genotype is None or not isinstance(problem.space, Knowing):
        return {}
    network = network_of(problem, genotype).eval()
    plan = problem.space.plan(genotype)
    return {p.layer: partial(network.get_submodule, p.name) for p in plan.places if p.layer}
