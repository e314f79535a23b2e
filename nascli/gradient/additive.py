"""Costs that add up over the choices of a supernet: a fixed part, and one for each option taken."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from nascli.core.choice import NONE
from nascli.core.fault import Fault
from nascli.core.plan import When
from nascli.core.problem import Problem
from nascli.core.space import Planned, open_plan
from nascli.costs.additive import sums
from nascli.costs.extremes import groups_of
from nascli.costs.latency_table import check_layered


class AdditiveCost:
    """What the space's own networks cost, as something to differentiate.

    E = fixed + sum over choices of share x sum over options of weight x cost.

    Where a number of cells is a choice, what is there under some of its options only is such a sum
    of its own, times the weights of these options. The fixed part is what every network has, such
    as stem and classifier. An option counts at all of its places together; `none` counts nothing.
    The share is 1, but where an addition keeps k of its n inputs it is k / n, or k times the
    input's weight among them where edges have weights: the chance that a network has the choice at
    all. Deeper supernets and options on fewer channels are only means to find one of the space's
    own networks, so the stage of a search changes nothing.

    A latency is the sum of the layers' own, which are measured on first use, once a search; on a
    device that looks up it is a fit over choices.

    Args:
        problem: its space has the layers, its device times them.
        metric: one of `nascli.costs.additive.ADDITIVE`.
        who: what reads the cost, for messages.

    Raises:
        Fault: the cost is not known of single options, or the device's runtime fuses layers.
    """

    def __init__(self, problem: Problem, metric: str, who: str) -> None:
        problem = problem.as_deployed
        self._problem, self.metric = problem, metric
        if metric == "latency_ms":
            check_layered(problem.device)
        plan = open_plan(problem.space)
        if plan is None or not isinstance(problem.space, Planned):
            raise Fault(
                f"space '{problem.space.name}' has no open plan, so its options have no known "
                f"{metric}: leave out {who}"
            )
        groups = groups_of(plan)
        if groups is None:
            raise Fault(
                f"the choices of space '{problem.space.name}' are not independent of each other, "
                f"so its {metric} does not add up over them: leave out {who}"
            )
        self._plan, self._space = plan, problem.space
        kept = {c: (keep, len(group)) for group, keep in groups for c in group}
        self._kept = [kept[choice] for choice in plan.choices]

    def expected(self, weights: Tensor, edges: Tensor | None = None) -> Tensor:
        """E, in the metric's unit; `weights` are (choices, options), `edges` (choices,) or none."""
        shares = weights.new_tensor([1.0 if k is None else k / n for k, n in self._kept])
        if edges is not None:
            keeps = weights.new_tensor([0.0 if k is None else float(k) for k, _ in self._kept])
            shares = torch.where(keeps > 0, keeps * edges, shares)
        total = weights.new_zeros(())
        for when, (fixed, options) in self._parts.items():
            part = fixed + (shares * (weights * options.to(weights)).sum(1)).sum()
            if when is not None:
                row = self._plan.choices.index(when.choice)
                part = part * weights[row, sorted(when.numbers)].sum()
            total = total + part
        return total

    def slopes(self, weights: Tensor, edges: Tensor | None = None) -> Tensor:
        """(choices, options): by how much E grows with each weight, at `weights`."""
        with torch.enable_grad():
            at = weights.detach().clone().requires_grad_()
            (slopes,) = torch.autograd.grad(self.expected(at, edges), [at])
        return slopes

    def without_none(self, logits: Tensor) -> Tensor:
        """(choices, options): the softmax of `logits` over all options but `none`.

        No strategy derives `none` of its own accord (`nascli.core.space.strongest`), so these are
        the chances of a network's options. Where a choice has nothing else, it is certain.
        """
        mask = self._none.to(logits.device)
        alone = (logits.isfinite() & ~mask).sum(1, keepdim=True) == 0
        return logits.masked_fill(mask & ~alone, -torch.inf).softmax(dim=1)

    @cached_property
    def _none(self) -> Tensor:
        """(choices, options): where `none` is."""
        rows = [[option == NONE for option in choice.options] for choice in self._plan.choices]
        most = max(map(len, rows))
        return torch.tensor([row + [False] * (most - len(row)) for row in rows])

    @property
    def fixed(self) -> float:
        """What every network of the space has, in the metric's unit."""
        return self._parts[None][0]

    @property
    def options(self) -> Tensor:
        """(choices, options): what each adds where all networks have it, in the metric's unit."""
        return self._parts[None][1]

    @cached_property
    def _parts(self) -> dict[When | None, tuple[float, Tensor]]:
        """What is fixed, and (choices, options): for the places of all networks, and for others."""
        found = sums(self._problem, self._space, self._plan, self.metric)
        most = max(len(choice.options) for choice in self._plan.choices)
        return {
            when: (fixed, torch.tensor([[*row, *[0.0] * (most - len(row))] for row in rows]))
            for when, (fixed, rows) in found.items()
        }
