"""Several scores as one: the logarithms of their ranks, summed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

RANKED: Mapping[str, tuple[str, ...]] = {
    "az_nas": ("expressivity", "progressivity", "trainability", "macs"),
    "vkdnw_agg": ("vkdnw", "expressivity", "progressivity", "trainability", "macs"),
    "ensemble": ("jacob_cov", "swap", "progressivity", "live_macs"),
}
"""Name -> the scores whose ranks it joins.

`az_nas`: Lee & Ham, CVPR 2024 (arXiv 2403.19232). `vkdnw_agg`: Tybl & Neumann, CVPR 2025 (arXiv
2502.04975), the five that the search of its code joins. `ensemble`: ours, chosen on half of the
functions of NAS-Bench-201 with CIFAR-10 (benchmarks/zero_cost.py --choose); one pass makes it.
"""


def joined(ranks: Sequence[float] | np.ndarray, count: int) -> float:
    """The sum of log(rank / count), ranks being from 1 (the worst) to `count`.

    A sum of logarithms is pulled down by one bad rank more than a good one lifts it, so it likes
    what no score dislikes (Lee & Ham's non-linear aggregation).
    """
    return float(np.log(np.asarray(ranks) / count).sum())


class Ranks:
    """Places a genotype among a fixed reference of others, score by score.

    Its rank is one more than how many of the reference are below it, equal ones counted half, and
    in a straight line between two neighbours. Beyond the ends a rank goes on towards 1/2 of the
    last place and the next whole one, without reaching it, so that order remains.

    Args:
        reference: score -> its value for every genotype of the reference, finite, at least two.
    """

    def __init__(self, reference: Mapping[str, Sequence[float]]) -> None:
        self._sorted = {name: np.sort(values) for name, values in reference.items()}

    def __call__(self, scores: Mapping[str, float]) -> float:
        """The sum of the logarithms of the ranks over how many there are, the genotype included."""
        count = len(next(iter(self._sorted.values()))) + 1
        return joined([self._rank(name, scores[name]) for name in self._sorted], count)

    def _rank(self, name: str, score: float) -> float:
        values = self._sorted[name]
        least, most = float(values[0]), float(values[-1])
        width = (most - least) or 1.0
        beyond = math.tanh((max(score - most, 0.0) + min(score - least, 0.0)) / width)
        return float(np.interp(score, *_places(values))) + beyond / 2


def _places(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every value once, and its rank: one more than those below it and half of its equals."""
    distinct, counts = np.unique(values, return_counts=True)
    return distinct, counts.cumsum() - counts / 2 + 1
