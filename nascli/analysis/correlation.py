"""Rank correlations of estimates with a reference, with bootstrap intervals.

Kendall, The treatment of ties in ranking problems, Biometrika 1945 (tau-b); Efron, Bootstrap
methods, Annals of Statistics 1979 (the percentile interval).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PERCENT = (2.5, 97.5)  # of the resamples: an interval of 95 %

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % bootstrap interval; all NaN where it is not defined."""

    value: float
    low: float
    high: float


class Correlations:
    """Kendall's tau-b and Spearman's rho of several estimates of the same networks.

    All correlations are taken on the same resamples of the networks, so that differences between
    them are paired. A network that is drawn twice ties with itself in both rankings, which tau-b
    leaves out. Only ranks count, so an estimate may be -inf: it ranks last, level with the others
    that are.

    Args:
        estimates: name -> one value a network; larger is better.
        reference: one value a network, in the same order.
        seed: of the resamples.
        resamples: how many there are.
    """

    def __init__(
        self,
        estimates: Mapping[str, Sequence[float]],
        reference: Sequence[float],
        *,
        seed: int = 0,
        resamples: int = 1000,
    ) -> None:
        from scipy.stats import rankdata  # here: it takes a second

        self._column = {name: column for column, name in enumerate(estimates)}
        ranks = rankdata(np.array([*estimates.values(), reference]), axis=1)
        rng, networks = np.random.default_rng(seed), ranks.shape[1]
        kendall, spearman = [_kendall(ranks)], [_spearman(ranks)]
        for _ in range(resamples):
            drawn = ranks[:, rng.integers(networks, size=networks)]
            kendall.append(_kendall(drawn))
            spearman.append(_spearman(drawn))
        # (1 + resamples, estimates); the first row is that of the networks as they are
        self._kendall, self._spearman = np.array(kendall), np.array(spearman)

    def kendall(self, name: str) -> Interval:
        """Kendall's tau-b between this estimate and the reference."""
        return _interval(self._kendall[:, self._column[name]])

    def spearman(self, name: str) -> Interval:
        """Spearman's rho between this estimate and the reference."""
        return _interval(self._spearman[:, self._column[name]])

    def lead(self, name: str, baseline: str) -> Interval:
        """By how much tau of `name` is above tau of `baseline`, in the better of its directions."""
        ours, theirs = (self._kendall[:, self._column[n]] for n in (name, baseline))
        sign = -1.0 if theirs[0] < 0 else 1.0
        return _interval(ours - sign * theirs)

    def lead_p(self, name: str, baseline: str) -> float:
        """The two-sided p of that lead: how often resamples come to its other side, and once more.

        It is 2 / (resamples + 1) at the least; NaN where there is no lead.
        """
        ours, theirs = (self._kendall[:, self._column[n]] for n in (name, baseline))
        leads = ours - (-1.0 if theirs[0] < 0 else 1.0) * theirs
        drawn = leads[1:][np.isfinite(leads[1:])]
        if not np.isfinite(leads[0]) or not len(drawn):
            return float("nan")
        sides = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
        return min(1.0, 2 * (1 + sides) / (1 + len(drawn)))

    @property
    def resamples(self) -> int:
        """How many there are."""
        return len(self._kendall) - 1


def _kendall(values: Array) -> list[float]:
    """Tau-b of every row but the last with the last."""
    from scipy.stats import kendalltau

    *rows, reference = values
    return [float(kendalltau(row, reference, method="asymptotic").statistic) for row in rows]


def _spearman(values: Array) -> Array:
    """Pearson's correlation of the ranks, of every row but the last with the last."""
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):  # a row without variance has none: NaN
        whole: Array = np.corrcoef(rankdata(values, axis=1))
    return whole[-1, :-1]


def _interval(samples: Array) -> Interval:
    value, resamples = float(samples[0]), samples[1:][np.isfinite(samples[1:])]
    if not np.isfinite(value) or not len(resamples):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(resamples, _PERCENT)
    return Interval(value, float(low), float(high))
