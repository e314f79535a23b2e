"""Several scores as one: a vote against random genotypes.

Abdelfattah et al., ICLR 2021 (arXiv 2101.08134), let the majority of synflow, jacob_cov and snip
say which of two networks is the better one.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np


class Vote:
    """Places a genotype among a fixed reference of others.

    The majority prefers a genotype to a share t of the reference, each score counting by itself, if
    and only if the median of the scores' shares is above t. So the vote is that median. Beyond the
    ends of the reference a share goes on in a straight line, whose slope is one place for the whole
    width of the reference; otherwise all that beat everyone would be equal. It is from 0 to 1 but
    for that. With an even number of scores it is the mean of the middle two.

    Args:
        reference: score -> its value for every genotype of the reference, finite, at least two.
    """

    def __init__(self, reference: Mapping[str, Sequence[float]]) -> None:
        self._sorted = {name: np.sort(values) for name, values in reference.items()}

    def __call__(self, scores: Mapping[str, float]) -> float:
        """The vote of a genotype with these scores."""
        return statistics.median(self._share(name, scores[name]) for name in self._sorted)

    def _share(self, name: str, score: float) -> float:
        """Of the reference, how many are below; between two neighbours in a straight line."""
        values = self._sorted[name]
        places = (np.arange(len(values)) + 0.5) / len(values)
        least, most = float(values[0]), float(values[-1])
        inside = float(np.interp(score, values, places))
        beyond = min(score - least, 0.0) + max(score - most, 0.0)
        width = (most - least) or 1.0
        return inside + beyond / width / len(values)
