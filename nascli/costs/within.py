"""The strongest genotype that keeps the constraints, by the costs that are known beforehand.

Parameters, multiply-adds and latencies add up, and so do strengths over choices: that is a knapsack
in which every choice takes one of its options, and an addition that keeps k of its inputs
keeps k choices. It is solved exactly, choice after choice: of what is decided so far, only that is
gone on with which nothing else beats in strength and in every cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nascli.core.choice import NONE, Choice
from nascli.core.device import Counting, LooksUp
from nascli.core.genotype import Genotype
from nascli.core.plan import Plan
from nascli.core.space import Derivable, Planned, neighbours
from nascli.costs.additive import ADDITIVE, Sums, sums
from nascli.costs.extremes import groups_of
from nascli.costs.latency_table import LatencyTable
from nascli.costs.plans import PlanCounter

if TYPE_CHECKING:
    from nascli.core.problem import Problem

Strengths = Mapping[str, Sequence[float]]
"""Name of a choice -> how strong each of its options is, or more numbers than that."""
_COUNTED = ("params", "macs", "flops", "peak_memory_mb")
_LOOSE = 1.02  # a bound on sums of latencies, which are not quite those of networks
_AT_ONCE = 2  # costs that the front is kept in
_TAKEN = 2.0  # stronger than all that a genotype does not take


class Within:
    """The constraints of a problem on what plans, tables of latencies and a counting device tell.

    A latency is known on a device that looks up. On one that measures, it is the sum of the layers'
    own once they are measured, and nothing before; there the trial has the last word.

    Args:
        problem: its constraints, and its space; of one without plans nothing is known.
    """

    def __init__(self, problem: Problem) -> None:
        problem = problem.as_deployed
        space, metrics = problem.space, list(_COUNTED)
        device = problem.device
        self._counting = device if isinstance(device, Counting) else None
        metrics += self._counting.counts if self._counting else ["latency_ms"] if device else []
        self._constraints = [c for c in problem.goal.constraints if c.metric in metrics]
        known = self._constraints and isinstance(space, Planned)
        self._counter = PlanCounter(space) if known and isinstance(space, Planned) else None
        self._space, self._problem = space, problem
        self._sums: dict[str, Sums] = {}

    def keeps(self, genotype: Genotype) -> bool:
        """Whether its network keeps them, as far as that is known."""
        return self._excess(genotype) == 0

    def strongest(self, strengths: Strengths, otherwise: Genotype) -> Genotype:
        """The genotype of the largest sum of strengths among those that keep the constraints.

        That is certain for one or two costs that add up, where the plan's choices are independent
        of each other and every network has all places. Otherwise, and for memory, it is found by
        going from `otherwise` to neighbours: a stronger one may have been missed. `none` counts as
        of strength 0. If nothing is found, it is the nearest to the constraints.
        """
        for genotype in self._solutions(strengths):
            if self.keeps(genotype):
                return genotype
        return self._descended(strengths, otherwise)

    def _excess(self, genotype: Genotype) -> float:
        """By how much the constraints are exceeded, each as a share of its bound."""
        if self._counter is None:
            return 0.0
        counts = self._counter(genotype)
        costs = {metric: getattr(counts, metric) for metric in _COUNTED}
        if self._times:
            costs["latency_ms"] = self._latency(genotype)
        if self._counting is not None:
            space = self._counter.space
            costs |= self._counting.count(space, space.plan(genotype))
        return sum(constraint.excess(costs) for constraint in self._constraints)

    @property
    def _times(self) -> bool:
        """Whether there is a bound on a latency that is known beforehand."""
        bounded = any(c.metric == "latency_ms" for c in self._constraints)
        looks_up = isinstance(self._problem.device, LooksUp)
        return bounded and (looks_up or bool(self._problem.latencies.rows))

    def _latency(self, genotype: Genotype) -> float:
        device, space = self._problem.device, self._space
        if isinstance(device, LooksUp):
            return device.latency_ms(genotype)
        assert isinstance(space, Planned)
        return LatencyTable(self._problem.latencies.rows).sum_ms(space.plan(genotype))

    def _solutions(self, strengths: Strengths) -> Iterator[Genotype]:
        """What keeps the bounds on costs that add up, the strongest first."""
        space = self._space
        if self._counter is None or not isinstance(space, Derivable):
            return
        bounds: dict[str, float] = {}
        for constraint in self._constraints:
            halved = constraint.metric == "flops"
            metric = "macs" if halved else constraint.metric
            maximum = constraint.maximum / 2 if halved else constraint.maximum
            if metric == "latency_ms":  # the sum only tells where to look
                maximum *= _LOOSE
            if metric in ADDITIVE and (metric != "latency_ms" or self._times):
                bounds[metric] = min(maximum, bounds.get(metric, maximum))
        plan = space.plan()
        if plan.conditions or any(choice.name not in strengths for choice in plan.choices):
            return
        some = dict(list(bounds.items())[:_AT_ONCE])
        for metric in some.keys() - self._sums.keys():
            self._sums[metric] = sums(self._problem, space, plan, metric)[None]
        costs = [self._sums[metric] for metric in some]
        knapsack = _Knapsack(plan, costs, tuple(some.values()), strengths)
        for rows in knapsack.solutions():
            yield space.derive(rows)

    def _descended(self, strengths: Strengths, start: Genotype) -> Genotype:
        """From neighbour to neighbour: first to less excess, then to more strength."""
        if not isinstance(self._space, Planned):
            return start
        choices = self._space.plan().choices
        worth = {
            c.name: dict(zip(c.options, strengths.get(c.name, ()), strict=False)) for c in choices
        }
        found, best = start, self._rank(worth, start)
        while True:
            near = {g: self._rank(worth, g) for g in neighbours(self._space, found)}
            nearer = max(near, key=lambda genotype: near[genotype], default=found)
            if near.get(nearer, best) <= best:
                return found
            found, best = nearer, near[nearer]

    def _rank(
        self, worth: Mapping[str, Mapping[str, float]], genotype: Genotype
    ) -> tuple[float, float]:
        """The larger, the better: what keeps the constraints, by its strength."""
        assert isinstance(self._space, Planned)
        taken = self._space.taken(genotype).items()
        total = sum(worth[name].get(option, 0.0) for name, option in taken if option != NONE)
        return -self._excess(genotype), total


class _Part(NamedTuple):
    """Some choices decided: how strong that is, what it costs, and the decision before the last."""

    strength: float
    costs: tuple[float, ...]
    taken: tuple[Choice, int] | None = None
    before: _Part | None = None


@dataclass(frozen=True)
class _Knapsack:
    """`bounds` are the largest values of `costs`, in their order."""

    plan: Plan
    costs: Sequence[Sums]
    bounds: Sequence[float]
    strengths: Mapping[str, Sequence[float]]

    def options(self, choice: Choice, keep: int | None) -> list[_Part]:
        """What every option of a choice is worth and costs, at all of its places together.

        Where an addition keeps some inputs, an option that is not computed is none that it keeps.
        `none` is worth nothing: its strength does not compare.
        """
        places, found = self.plan.by_choice[choice], []
        row = self.plan.choices.index(choice)
        for number, option in enumerate(choice.options):
            layers = [place.options[number] for place in places]
            if keep is not None and places and not any(layer is not None for layer in layers):
                continue
            costs = tuple(float(cost.options[row][number]) for cost in self.costs)
            worth = 0.0 if option == NONE else self.strengths[choice.name][number]
            found.append(_Part(worth, costs, (choice, number)))
        return found

    def solutions(self) -> Iterator[list[list[float]]]:
        """Strengths for every choice that have one option taken; the strongest first."""
        for part in self._decided():
            rows = {choice: [0.0] * len(choice.options) for choice in self.plan.choices}
            step: _Part | None = part
            while step is not None and step.taken is not None:
                rows[step.taken[0]][step.taken[1]] = _TAKEN
                step = step.before
            yield list(rows.values())

    def _decided(self) -> list[_Part]:
        """All choices decided, the strongest first; nothing where they are not independent."""
        groups = groups_of(self.plan)
        if groups is None:
            return []
        front = [_Part(0.0, tuple(float(cost.fixed) for cost in self.costs))]
        for choices, keep in groups:
            kept: list[list[_Part]] = [front, *([] for _ in range(keep or 1))]
            for choice in choices:
                options = self.options(choice, keep)
                for count in range(len(kept) - 1, 0, -1):
                    more = [_joined(part, o) for part in kept[count - 1] for o in options]
                    kept[count] = self._front([*kept[count], *more])
            front = kept[-1]
        return front

    def _front(self, parts: list[_Part]) -> list[_Part]:
        """Those that keep the bounds and that no other beats in strength and every cost."""
        parts = [p for p in parts if all(c <= b for c, b in zip(p.costs, self.bounds, strict=True))]
        parts.sort(key=lambda part: (-part.strength, part.costs))
        found, stairs = [], list[tuple[float, float]]()  # first cost rising, second falling
        for part in parts:  # all before it are at least as strong
            first, second = (*part.costs, 0.0)[:2]
            at = bisect_right(stairs, (first, float("inf")))
            if at and stairs[at - 1][1] <= second:
                continue
            end = at
            while end < len(stairs) and stairs[end][1] >= second:
                end += 1
            stairs[at:end] = [(first, second)]
            found.append(part)
        return found


def _joined(part: _Part, option: _Part) -> _Part:
    costs = tuple(a + b for a, b in zip(part.costs, option.costs, strict=True))
    return _Part(part.strength + option.strength, costs, option.taken, part)
