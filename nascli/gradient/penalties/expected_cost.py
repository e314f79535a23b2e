"""The cost of the network that a mixture stands for, as something to differentiate.

Wu et al., FBNet, CVPR 2019 (arXiv 1812.03443), sections 3.2 and 3.3; Cai et al., ProxylessNAS, ICLR
2019 (arXiv 1812.00332), eq. 6 and 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nascli.core.device import times
from nascli.core.fault import Fault, unknown
from nascli.core.plan import Layer
from nascli.core.problem import Problem
from nascli.core.supernet import LayersOfOptions, Mixture, Relaxation, Supernet
from nascli.costs.count import count
from nascli.costs.latency_table import measured
from nascli.gradient.penalties.checks import weight_of

_METRICS = ("auto", "latency_ms", "macs", "params")


class ExpectedCost:
    """Multiplies the loss by log(1 + (e - 1) r)^weight, or adds weight * r.

    r is the expected cost of the mixture's options, sum over choices and options of weight times
    cost, as a multiple of that of equal weights. A cost is the sum over all cells of what the
    option's layers cost each on its own, counted or as the search's latency table has them: it is
    measured once, on first use, and is the one that the run folder keeps.

    Departure: FBNet multiplies by a log(LAT)^b, which needs milliseconds above 1; ours is 1 where
    all options weigh the same, in any unit, and never negative.

    Args:
        problem: its space has the layers, its device times them.
        weight: FBNet's beta (0.6), or ProxylessNAS' lambda.
        metric: "latency_ms", "macs" or "params"; "auto" is the first if the search has a device,
            else the second.
        form: "product" (FBNet) or "sum" (ProxylessNAS).

    Raises:
        Fault: a value is not allowed, or a latency is asked for without a device.
    """

    def __init__(
        self,
        problem: Problem,
        weight: float = 0.6,
        metric: str = "auto",
        form: str = "product",
    ) -> None:
        self._problem = problem
        self._weight = weight_of("expected_cost", weight)
        if metric not in _METRICS:
            raise Fault(unknown("strategy.penalties.expected_cost.metric", metric, _METRICS))
        if form not in ("product", "sum"):
            raise Fault(unknown("strategy.penalties.expected_cost.form", form, ("product", "sum")))
        if metric == "auto":
            metric = "latency_ms" if times(problem.device) else "macs"
        if metric == "latency_ms" and not times(problem.device):
            raise Fault(
                "strategy.penalties.expected_cost.metric is latency_ms, but the search measures on "
                "no device: take device=cpu, or metric macs or params"
            )
        self._metric, self._form = metric, form
        self._costs: Tensor | None = None

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss with the cost, at any progress."""
        del progress
        costs = self.costs().to(mixture.weights)
        present = relaxation.logits().detach().isfinite().to(costs)
        equal = (costs * present / present.sum(1, keepdim=True)).sum()
        ratio = (mixture.strengths * costs).sum() / equal.clamp_min(1e-12)
        if self._form == "sum":
            return loss + self._weight * ratio
        return loss * (1 + (math.e - 1) * ratio).log() ** self._weight

    def costs(self) -> Tensor:
        """(choices, options): of each option alone, in the metric's unit; found on first use.

        They are those of the space's own networks, whatever stage the search is in: deeper
        supernets and options on fewer channels are only means to find one of these.
        """
        if self._costs is None:
            space: Any = self._problem.space
            with torch.random.fork_rng(devices=[]), torch.device("meta"):
                supernet: Supernet = space.supernet()
            if not isinstance(supernet, LayersOfOptions):
                raise Fault(
                    f"the supernet of space '{space.name}' does not say which layers its options "
                    "have, so they have no known cost: leave out expected_cost"
                )
            known: dict[Layer, float] = {}
            rows = [
                [self._cost(supernet.layers(choice, option), known) for option in choice.options]
                for choice in supernet.choices
            ]
            most = max(map(len, rows))
            self._costs = torch.tensor([row + [0.0] * (most - len(row)) for row in rows])
        return self._costs

    def _cost(self, layers: Sequence[Layer], known: dict[Layer, float]) -> float:
        if self._metric == "latency_ms":
            return measured(self._problem).sum_of(layers)
        for layer in sorted(set(layers) - known.keys()):
            known[layer] = self._alone(layer)
        return math.fsum(known[layer] for layer in layers)

    def _alone(self, layer: Layer) -> float:
        shape = (layer.in_channels, layer.height, layer.width)
        with torch.random.fork_rng(devices=[]):
            network = self._problem.space.layers()[layer]()
        return float(getattr(count(network, shape), self._metric))
