"""The best of random paths.

Li and Talwalkar, Random Search and Reproducibility for Neural Architecture Search, UAI 2019 (arXiv
1902.07638), section 4.
"""

from __future__ import annotations

import random

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import seed_of
from nascli.core.space import sample
from nascli.gradient.discretisations import checks
from nascli.gradient.parts import Trained


class BestPath:
    """The genotype of least loss on one fixed batch, out of `candidates` random ones.

    Departure: published are 1,000 candidates after the last epoch, the best 10 of them then scored
    on the whole validation split. Here every epoch has its own, and its best is scored.

    A candidate that breaks a constraint gives way to the nearest one that keeps all.

    Args:
        problem: its space and seed are drawn from.
        candidates: genotypes an epoch.

    Raises:
        Fault: `candidates` is below 1.
    """

    at_the_end = False
    without_relaxation = True

    def __init__(self, problem: Problem, candidates: int = 32) -> None:
        checks.best_path(candidates)
        self._space, self._seed, self._candidates = problem.space, problem.seed, candidates

    def __call__(self, trained: Trained) -> Genotype:
        """The genotype."""
        generator = random.Random(seed_of(self._seed, "candidates", trained.epoch))
        drawn = [trained.nearest(sample(self._space, generator)) for _ in range(self._candidates)]
        return min(drawn, key=lambda genotype: trained.loss(trained.supernet.path(genotype)))
