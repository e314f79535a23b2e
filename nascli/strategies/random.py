"""Random search without repeats: a seeded walk through a permutation of the space.

Li and Talwalkar, Random Search and Reproducibility for NAS, UAI 2019 (arXiv 1902.07638).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.space import at, sample, size
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial

_ROUNDS = 6


class Random:
    """Proposes every genotype of the space exactly once, in an order drawn from the seed.

    The order is a Feistel network over the genotypes' numbers (format-preserving encryption:
    numbers that fall outside of the space are permuted again), so nothing needs to be remembered
    and the last genotype of a space costs as little as the first.

    Args:
        problem: what is searched for.
        repeats: draws every genotype anew from all of them instead, without an end.
    """

    traits = Traits(several_objectives=True)

    def __init__(self, problem: Problem, repeats: bool = False) -> None:
        self._repeats = repeats
        self._space = problem.space
        self._fidelity = problem.fidelity
        self._problem = problem
        self._size = size(problem.space)
        self._rng = generator(problem.seed, "random")
        self._keys = [self._rng.getrandbits(64) for _ in range(_ROUNDS)]
        self._half = max(1, ((self._size - 1).bit_length() + 1) // 2)
        self._next = 0

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next genotypes of the permutation; none when the space is exhausted."""
        stop = self._next + limit
        numbers = range(self._next, stop if self._repeats else min(stop, self._size))
        self._next = max(self._next, numbers.stop)
        return [Proposal(self._genotype(n), self._fidelity) for n in numbers]

    def _genotype(self, number: int) -> Genotype:
        if self._repeats:
            return sample(self._space, self._rng)
        return at(self._space, self._permuted(number))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Random search does not learn."""

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """How many genotypes have been proposed, and the random state."""
        return {"next": self._next, "rng": self._rng.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after `state`."""
        self._next = int(state["next"])
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))

    def _permuted(self, number: int) -> int:
        """Where the permutation takes `number`; fewer than four passes are expected."""
        mask, words = (1 << self._half) - 1, -(-self._half // 64)
        while True:
            left, right = number >> self._half, number & mask
            for key in self._keys:
                left, right = right, left ^ (_mixed(right ^ key, words) & mask)
            number = left << self._half | right
            if number < self._size:
                return number


def _mixed(value: int, words: int) -> int:
    """The splitmix64 finaliser (Steele, Lea and Flood 2014), chained over words of 64 bits."""
    result = 0
    for _ in range(words):
        word = (value + result + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        word = ((word ^ word >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        result = result << 64 | (word ^ word >> 31)
        value >>= 64
    return result
