"""Random search without repeats: a seeded walk through a permutation of the space.

Li and Talwalkar, Random Search and Reproducibility for NAS, UAI 2019 (arXiv 1902.07638).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import at, size
from nascli.core.trial import History, Proposal, Trial

_ROUNDS = 6


class Random:
    """Proposes every genotype of the space exactly once, in an order drawn from the seed.

    The order is a Feistel network over the genotypes' numbers (format-preserving encryption:
    numbers that fall outside of the space are permuted again), so nothing needs to be remembered
    and the last genotype of a space costs as little as the first.
    """

    several_objectives = True

    def __init__(self, problem: Problem) -> None:
        self._space = problem.space
        self._fidelity = problem.fidelity
        self._problem = problem
        self._size = size(problem.space)
        rng = random.Random(f"{problem.seed}/random")
        self._keys = [rng.getrandbits(64) for _ in range(_ROUNDS)]
        self._half = max(1, ((self._size - 1).bit_length() + 1) // 2)
        self._next = 0

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next genotypes of the permutation; none when the space is exhausted."""
        numbers = range(self._next, min(self._next + limit, self._size))
        self._next = max(self._next, numbers.stop)
        return [Proposal(at(self._space, self._permuted(n)), self._fidelity) for n in numbers]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Random search does not learn."""

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype."""
        return history.answer(self._problem)

    def state_dict(self) -> dict[str, Any]:
        """How many genotypes have been proposed."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after `state`."""
        self._next = int(state["next"])

    def _permuted(self, number: int) -> int:
        """Where the permutation takes `number`; fewer than four passes are expected."""
        mask = (1 << self._half) - 1
        while True:
            left, right = number >> self._half, number & mask
            for key in self._keys:
                left, right = right, left ^ (_mixed(right ^ key) & mask)
            number = left << self._half | right
            if number < self._size:
                return number


def _mixed(value: int) -> int:
    """The splitmix64 finaliser (Steele, Lea and Flood 2014), chained over longer values."""
    result = 0
    while True:
        word = (value + result + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        word = ((word ^ word >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        result = result << 64 | (word ^ word >> 31)
        value >>= 64
        if not value:
            return result
