"""What the networks of a space cost, and whether any of them keeps the constraints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nascli.core.genotype import Genotype
from nascli.core.goal import Constraint
from nascli.core.randomness import generator
from nascli.core.space import SearchSpace, at, neighbours, one_hot, sample, size

Costs = Callable[[Genotype], Mapping[str, float]]
Extremes = Mapping[str, tuple[Genotype, Genotype]]
"""Metric -> genotypes of the least and the largest value there is in the space."""
_ROUNDS = 2
_SPREAD = 1e-3  # of ridge regression, against options that no sampled genotype has


@dataclass
class Survey:
    """The genotypes looked at and what each costs.

    `exact` says that it was all of them. Otherwise they are random ones, from which the medians
    are, and those that have the least and the largest costs: as `proved` for some metrics, as a
    linear fit over the decisions has it for the others. Looking for a genotype that keeps some
    constraints ends after `most` of them.
    """

    space: SearchSpace
    costs: Costs
    exact: bool = False
    proved: Extremes = field(default_factory=dict)
    most: int = 250
    random: int = 0
    looked: dict[Genotype, Mapping[str, float]] = field(default_factory=dict)

    def look(self, genotype: Genotype) -> Mapping[str, float]:
        """What it costs; counted once."""
        if genotype not in self.looked:
            self.looked[genotype] = self.costs(genotype)
        return self.looked[genotype]

    def range(self, metric: str) -> tuple[float, float, float]:
        """The smallest, the median and the largest value; `certain` says if there are no others."""
        values = [costs[metric] for costs in self.looked.values()]
        return min(values), float(np.median(values[: self.random])), max(values)

    def certain(self, metric: str) -> bool:
        """Whether no genotype of the space has less or more of `metric` than those looked at."""
        return self.exact or metric in self.proved

    def keeps(self, genotype: Genotype, constraints: Sequence[Constraint]) -> bool:
        """Whether one that was looked at keeps the constraints."""
        return _excess(self.looked[genotype], constraints) == 0

    def keep(self, constraints: Sequence[Constraint]) -> float:
        """The share of the random genotypes (of all, if exact) that keeps the constraints."""
        drawn = list(self.looked)[: self.random]
        return sum(self.keeps(genotype, constraints) for genotype in drawn) / len(drawn)

    def nearest(self, constraints: Sequence[Constraint]) -> tuple[float, Genotype]:
        """The least sum of excesses there is (0: the constraints can be met), and who has it.

        If no genotype seen so far has 0, it descends from the nearest one to a neighbour that is
        nearer until there is none, or `most` were looked at. For costs that add up over the
        decisions that is the least there is. It does not descend towards what is proved away.
        """
        excess = {g: _excess(costs, constraints) for g, costs in self.looked.items()}
        best = min(excess, key=lambda genotype: excess[genotype])
        improved = not (self.exact or any(map(self.impossible, constraints)))
        while improved and excess[best] > 0:
            improved = False
            for genotype in neighbours(self.space, best):
                if len(self.looked) >= self.most:
                    return excess[best], best
                excess[genotype] = _excess(self.look(genotype), constraints)
                if excess[genotype] < excess[best]:
                    best, improved = genotype, True
                    break
        return excess[best], best

    def impossible(self, constraint: Constraint) -> bool:
        """Whether it is certain that no genotype keeps `constraint`."""
        metric = constraint.metric
        least = min(costs[metric] for costs in self.looked.values())
        return self.certain(metric) and least > constraint.maximum


def survey(
    space: SearchSpace,
    costs: Costs,
    seed: int,
    *,
    samples: int,
    exact: int = 0,
    most: int = 250,
    proved: Extremes | None = None,
) -> Survey:
    """Looks at all genotypes of a space that has at most `exact`, or else at `samples` random ones.

    Of a larger space it also looks at those that are `proved` to be extreme, and for the costs that
    this says nothing of at those that a linear fit predicts to be. `most` is for `nearest`.
    """
    found = Survey(space, costs, size(space) <= exact, proved or {}, most)
    if found.exact:
        for number in range(size(space)):
            found.look(at(space, number))
        found.random = len(found.looked)
        return found
    rng = generator(seed, "survey")
    for _ in range(samples):
        found.look(sample(space, rng))
    found.random = len(found.looked)
    for ends in found.proved.values():
        for genotype in ends:
            found.look(genotype)
    for _ in range(_ROUNDS):
        for genotype in _extremes(found):
            found.look(genotype)
    return found


def _extremes(found: Survey) -> list[Genotype]:
    """Per cost the genotypes that ridge regression on the options takes for least and most."""
    space, looked = found.space, found.looked
    metrics = [m for m in next(iter(looked.values())) if not found.certain(m)]
    if not metrics:
        return []
    encoded = np.array([one_hot(space, genotype) for genotype in looked])  # (n, options)
    spread = _SPREAD * len(space.decisions)
    extremes: list[Genotype] = []
    for metric in metrics:
        values = np.array([costs[metric] for costs in looked.values()])
        weights = _ridge(encoded, values - values.mean(), spread)  # (options,)
        extremes += [_best(space, -weights), _best(space, weights)]
    return extremes


def _ridge(encoded: np.ndarray, values: np.ndarray, spread: float) -> np.ndarray:
    """The weights of a linear fit; the smaller of the two systems of equations is solved."""
    rows, columns = encoded.shape
    if rows < columns:
        kernel = encoded @ encoded.T + spread * np.eye(rows)
        return np.asarray(encoded.T @ np.linalg.solve(kernel, values))
    covariance = encoded.T @ encoded + spread * np.eye(columns)
    return np.asarray(np.linalg.solve(covariance, encoded.T @ values))


def _best(space: SearchSpace, weights: np.ndarray) -> Genotype:
    """The genotype of the largest weights."""
    options, start = [], 0
    for allowed in space.decisions.values():
        options.append(allowed[int(weights[start : start + len(allowed)].argmax())])
        start += len(allowed)
    return Genotype(space.name, tuple(space.decisions), tuple(options))


def _excess(costs: Mapping[str, float], constraints: Sequence[Constraint]) -> float:
    return sum(constraint.excess(costs) for constraint in constraints)
