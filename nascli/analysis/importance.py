"""How much every decision matters: the share of the ranks' variance that its option explains.

Kelley, An unbiased correlation ratio measure, PNAS 1935: epsilon squared, which is the correlation
ratio without what chance alone would give a decision with so many options. Ranks in place of values
keep a few networks that fail from deciding everything; interactions are left aside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascli.core.trial import Trial

FEWEST = 20  # trials


def importance(trials: Sequence[Trial], losses: Sequence[float]) -> dict[str, float]:
    """Decision -> its share, 0 to 1, the most important first; {} for too few trials to say.

    All trials are of the same space. A decision that never varies is left out.
    """
    if len(trials) < FEWEST or len({t.genotype.decisions for t in trials}) != 1:
        return {}
    ranks = _ranks(np.asarray(losses, dtype=float))
    found = {}
    for place, decision in enumerate(trials[0].genotype.decisions):
        options = np.unique([t.genotype.options[place] for t in trials], return_inverse=True)[1]
        share = _share(ranks, options)
        if share is not None:
            found[decision] = share
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 1 up; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[which])


def _share(ranks: NDArray[np.float64], options: NDArray[np.intp]) -> float | None:
    """Epsilon squared; None where nothing varies, or no option has been taken twice."""
    counts = np.bincount(options)
    n, k = len(ranks), len(counts)
    total = float(((ranks - ranks.mean()) ** 2).sum())
    if k < 2 or n <= k or total == 0:
        return None
    means = np.bincount(options, ranks) / counts
    within = float(((ranks - means[options]) ** 2).sum())
    return max(0.0, 1 - within / (n - k) * (n - 1) / total)
