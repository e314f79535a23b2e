"""What the networks of a space cost, and whether any of them keeps the constraints."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nascli.core.genotype import Genotype
from nascli.core.goal import Constraint
from nascli.core.space import SearchSpace, at, neighbours, one_hot, sample, size

Costs = Callable[[Genotype], Mapping[str, float]]
_ROUNDS = 2
_MOST = 250
_SPREAD = 1e-3  # of ridge regression, against options that no sampled genotype has


@dataclass
class Survey:
    """The genotypes looked at and what each costs.

    `exact` says that it was all of them. Otherwise they are random ones, from which the medians
    are, and those that a linear fit over the decisions takes for the smallest and the largest.
    """

    space: SearchSpace
    costs: Costs
    exact: bool = False
    random: int = 0
    looked: dict[Genotype, Mapping[str, float]] = field(default_factory=dict)

    def look(self, genotype: Genotype) -> Mapping[str, float]:
        """What it costs; counted once."""
        if genotype not in self.looked:
            self.looked[genotype] = self.costs(genotype)
        return self.looked[genotype]

    def range(self, metric: str) -> tuple[float, float, float]:
        """The smallest, the median and the largest value."""
        values = [costs[metric] for costs in self.looked.values()]
        return min(values), float(np.median(values[: self.random])), max(values)

    def keep(self, constraints: Sequence[Constraint]) -> float:
        """The share of the random genotypes (of all, if exact) that keeps the constraints."""
        drawn = list(self.looked.values())[: self.random]
        return sum(_excess(costs, constraints) == 0 for costs in drawn) / len(drawn)

    def nearest(self, constraints: Sequence[Constraint]) -> tuple[float, Genotype]:
        """The least sum of excesses there is (0: the constraints can be met), and who has it.

        If no genotype seen so far has 0, it descends from the nearest one to a neighbour that is
        nearer until there is none, or `_MOST` were looked at. For costs that add up over the
        decisions that is the least there is.
        """
        excess = {g: _excess(costs, constraints) for g, costs in self.looked.items()}
        best = min(excess, key=lambda genotype: excess[genotype])
        improved = not self.exact
        while improved and excess[best] > 0:
            improved = False
            for genotype in neighbours(self.space, best):
                if len(self.looked) >= _MOST:
                    return excess[best], best
                excess[genotype] = _excess(self.look(genotype), constraints)
                if excess[genotype] < excess[best]:
                    best, improved = genotype, True
                    break
        return excess[best], best


def survey(space: SearchSpace, costs: Costs, seed: int, *, samples: int, exact: int = 0) -> Survey:
    """Looks at all genotypes of a space that has at most `exact`, or else at `samples` random ones.

    Of a larger space it also looks at those that a linear fit predicts to be extreme.
    """
    found = Survey(space, costs, exact=size(space) <= exact)
    if found.exact:
        for number in range(size(space)):
            found.look(at(space, number))
        found.random = len(found.looked)
        return found
    rng = random.Random(f"{seed}/survey")
    for _ in range(samples):
        found.look(sample(space, rng))
    found.random = len(found.looked)
    for _ in range(_ROUNDS):
        for genotype in _extremes(found):
            found.look(genotype)
    return found


def _extremes(found: Survey) -> list[Genotype]:
    """Per cost the genotypes that ridge regression on the options takes for least and most."""
    space, looked = found.space, found.looked
    encoded = np.array([one_hot(space, genotype) for genotype in looked])  # (n, options)
    kernel = encoded @ encoded.T
    kernel += _SPREAD * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
    extremes: list[Genotype] = []
    for metric in next(iter(looked.values())):
        values = np.array([costs[metric] for costs in looked.values()])
        weights = encoded.T @ np.linalg.solve(kernel, values - values.mean())  # (options,)
        extremes += [_best(space, -weights), _best(space, weights)]
    return extremes


def _best(space: SearchSpace, weights: np.ndarray) -> Genotype:
    """The genotype of the largest weights."""
    options, start = [], 0
    for allowed in space.decisions.values():
        options.append(allowed[int(weights[start : start + len(allowed)].argmax())])
        start += len(allowed)
    return Genotype(space.name, tuple(space.decisions), tuple(options))


def _excess(costs: Mapping[str, float], constraints: Sequence[Constraint]) -> float:
    return sum(constraint.excess(costs) for constraint in constraints)
