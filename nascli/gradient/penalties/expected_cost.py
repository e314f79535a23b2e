"""The cost of the network that a mixture stands for, as something to differentiate.

Wu et al., FBNet, CVPR 2019 (arXiv 1812.03443), sections 3.2 and 3.3; Cai et al., ProxylessNAS, ICLR
2019 (arXiv 1812.00332), eq. 6 and 7.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from nascli.core.device import times
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, Relaxation
from nascli.gradient.additive import AdditiveCost
from nascli.gradient.penalties import checks

_UNITS = {"latency_ms": ("microseconds", 1e3), "macs": ("multiply-adds", 1.0)}
_UNITS |= {"params": ("parameters", 1.0)}


class ExpectedCost:
    """FBNet's loss x alpha log(E)^beta (eq. 2), or ProxylessNAS' loss + lambda E / E0 (eq. 7).

    E is the expected cost of the whole network, its fixed part included; see
    `nascli.gradient.additive.AdditiveCost`. It is in microseconds, multiply-adds or parameters, so
    that it is above 1 for any network: at 1 the product would vanish, whatever the loss. FBNet's E
    weighs options as the step's sample does, ProxylessNAS' by their chances softmax(alpha). E0 is
    that of equal chances, so that lambda needs no unit.

    Args:
        problem: its space has the layers, its device times them.
        weight: FBNet's beta (0.6), or ProxylessNAS' lambda.
        metric: "latency_ms", "macs" or "params"; "auto" is the first if the search has a device,
            else the second.
        form: "product" (FBNet) or "sum" (ProxylessNAS).
        factor: FBNet's alpha; a sum has none.

    Raises:
        Fault: a value is not allowed, a latency is asked for without a device, the cost of
            single options is not known, or the fixed part is not above 1 in a product's unit.
    """

    def __init__(
        self,
        problem: Problem,
        weight: float = 0.6,
        metric: str = "auto",
        form: str = "product",
        factor: float = 0.2,
    ) -> None:
        checks.expected_cost(weight, metric, form, factor, problem=problem)
        self._weight, self._factor = weight, factor
        if metric == "auto":
            metric = "latency_ms" if times(problem.device) else "macs"
        self._form = form
        self.cost = AdditiveCost(problem, metric, "expected_cost")

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss with the cost, at any progress."""
        del progress
        if self._form == "product":
            expected = self.cost.expected(mixture.weights, mixture.edges)
            # FBNet, eq. 2: CE x alpha log(LAT)^beta
            return loss * self._factor * (self._unit * expected).log() ** self._weight
        logits = relaxation.logits()
        chances = logits.softmax(dim=1)
        equal = torch.where(logits.detach().isfinite(), 0.0, -torch.inf).softmax(dim=1)
        reference = self.cost.expected(equal, mixture.edges).detach().clamp_min(1e-12)
        # ProxylessNAS, eq. 7: loss + lambda E[latency], without the weight decay of the optimizer
        return loss + self._weight * self.cost.expected(chances, mixture.edges) / reference

    @cached_property
    def _unit(self) -> float:
        """How many of the product's units one of the metric's is; looks at the fixed part."""
        words, unit = _UNITS[self.cost.metric]
        if unit * self.cost.fixed <= 1:
            raise Fault(
                f"what every network of the space has costs {unit * self.cost.fixed:g} {words}, "
                "and the logarithm in strategy.penalties.expected_cost needs more than 1: take "
                "form: sum, or another metric"
            )
        return unit
