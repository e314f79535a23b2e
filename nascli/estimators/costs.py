"""What a genotype costs, known before any training: parameters, multiply-adds, memory, latency."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nascli.core.device import (
    Counting,
    Latency,
    LooksUp,
    Predicting,
    available,
    measures,
    metered,
    times,
    unsteady,
)
from nascli.core.estimator import COUNTED
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import Planned, at, size
from nascli.core.survey import Extremes
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.costs.extremes import extremes
from nascli.costs.plans import PlanCounter

if TYPE_CHECKING:
    from nascli.core.problem import Problem
    from nascli.costs.cost import Counts

_ALL = 20_000  # genotypes of which every one is looked up


class Costs:
    """The costs of a genotype's network on the problem's task and device.

    They come from the network's plan, without torch; a space that has no plans has its networks
    built and counted. `latency_ms` is that of the network itself on `problem.device` (the lower
    quartile of its passes) if it is one that times, or what one that looks up says of it; one that
    is asked for energy adds `energy_mj`, one that counts what it tells of a plan.

    Raises:
        Fault: the device is not there.
    """

    traits = Traits(by_genotype=True, immediate=True, fidelities=False)
    meaning = ""

    def __init__(self, problem: Problem) -> None:
        available(problem.device)
        self.problem = problem = problem.as_deployed
        self._warned = False
        space, device = problem.space, problem.device
        self._counter = PlanCounter(space) if isinstance(space, Planned) else None
        self._counting = device if isinstance(device, Counting) and self._counter else None
        self._timing = device if times(device) else None
        self._metered = metered(device)
        timed = ("latency_ms",) if self._timing else ()
        used = ("energy_mj",) if self._metered else ()
        counted = self._counting.counts if self._counting else ()
        self.metrics = (*COUNTED, *timed, *used, *counted)

    @property
    def cheap(self) -> bool:
        """Whether thousands of genotypes a second can be told the costs of."""
        return self._counter is not None and not measures(self.problem.device)

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The costs, whatever the fidelity; warns of operations that were not counted."""
        problem, genotype, counter = self.problem, proposal.genotype, self._counter
        plan = None if counter is None else counter.space.plan(genotype)
        counts = self._built(genotype) if counter is None or plan is None else counter.of(plan)
        costs = {
            "params": float(counts.params),
            "macs": float(counts.macs),
            "flops": float(counts.flops),
            "peak_memory_mb": counts.peak_memory_mb,
        }
        if self._counting is not None and counter is not None and plan is not None:
            costs |= self._counting.count(counter.space, plan)
        if isinstance(problem.device, LooksUp):
            costs["latency_ms"] = problem.device.latency_ms(genotype)
        elif self._timing and not problem.goal.broken(costs):  # measuring is the expensive part
            import torch

            with torch.random.fork_rng(devices=[]):  # weights drawn here are never trained
                network = problem.space.network(genotype).eval()
                shape = problem.task.input_shape
                costs["latency_ms"] = self._steady(self._timing.latency(network, shape)).ms
                if self._metered and not problem.goal.broken(costs):
                    costs["energy_mj"] = self._metered.energy_mj(network, shape)
        if counts.uncounted:
            names = ", ".join(counts.uncounted)
            warnings.warn(f"macs and flops do not include {names}", stacklevel=2)
        return costs

    def _steady(self, latency: Latency) -> Latency:
        """`latency`; the first time that other work has spoilt one, the listener hears of it."""
        spoilt = unsteady([latency], "network")
        if spoilt and not self._warned:
            self._warned = True
            self.problem.listener.warn(f"warning: {spoilt} (said once; others may be, too)")
        return latency

    def check(self) -> None:
        """Runs every operation of the user's own once.

        Raises:
            Fault: one does not work, or gives another shape than its layer has.
        """
        if self._counter is not None:
            self._counter.check()

    def extremes(self) -> Extremes:
        """Metric -> genotypes of the least and the largest cost, of those where that is proved."""
        found = {} if self._counter is None else dict(extremes(self.problem.space, self._counter))
        device, space = self.problem.device, self.problem.space
        known = isinstance(device, LooksUp) and not isinstance(device, Predicting)
        if isinstance(device, LooksUp) and known and size(space) <= _ALL:
            every = [at(space, number) for number in range(size(space))]
            found["latency_ms"] = (
                min(every, key=device.latency_ms),
                max(every, key=device.latency_ms),
            )
        return found

    def _built(self, genotype: Genotype) -> Counts:
        """Counted by building the network."""
        import torch

        from nascli.costs.count import count

        def run(place: str) -> Counts:
            with torch.random.fork_rng(devices=[]), torch.device(place):
                network = self.problem.space.network(genotype)
                return count(network, self.problem.task.input_shape, place)

        try:
            return run("meta")
        except Fault:
            raise
        except Exception:  # it may ask for values, which shapes alone do not have
            return run("cpu")
