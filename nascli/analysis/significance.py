"""Whether what differs does so by more than chance: the one place where verbs and benchmarks ask.

The unit of replication is said by whoever asks: a run of `nas compare`, a genotype or a training
seed of `nas retrain`, a network of `nas audit`. Units pair only where they share their randomness;
seeds that happen to have equal numbers do not. What a test can reach at the least is known before
it runs, every difference has an interval, and Holm corrects for all that is shown together.

Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006 (signed ranks);
Mann and Whitney 1947; Welch, The generalization of Student's problem when several different
population variances are involved, Biometrika 1947, with Satterthwaite's degrees of freedom (1946);
Holm, A simple sequentially rejective multiple test procedure, 1979.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, count
from statistics import fmean, variance

import numpy as np

LEVEL = 0.05
PAIRED, APART = "Wilcoxon signed-rank", "Mann-Whitney U"
Losses = Mapping[int, float]
Part = tuple[float, int]
"""The variance of a mean, and with how many degrees of freedom it is known."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Contrast:
    """Two groups of runs, and by how much the first one's mean loss is below the second's.

    `low` and `high` bound 95 % of that `lead`; None where a side has a single run, or one without
    an answer, or all score the same. `p` is that of a two-sided `test` and `corrected` what Holm
    makes of it, None where so few runs could not come to p = 0.05 whatever they score. `better` is
    the group that the test leans to, None where it leans to neither or there is none.
    """

    first: str
    second: str
    test: str
    lead: float | None
    low: float | None
    high: float | None
    p: float | None = None
    corrected: float | None = None
    better: str | None = None

    @property
    def shown(self) -> bool:
        """Whether a difference is shown."""
        return self.better is not None and significant(self.corrected)


def significant(corrected: float | None) -> bool:
    """Whether a corrected p-value is at most 0.05."""
    return corrected is not None and corrected <= LEVEL + _ROUNDING


def least_p(first: int, second: int, *, pairs: bool = False) -> float:
    """The smallest two-sided p that a test of so many runs a side can reach.

    Of n pairs 2 / 2^n, all signs one way; else 2 / (n + m choose n), one side before the other.
    """
    return min(1.0, 2 / (2**first if pairs else math.comb(first + second, first)))


def runs_for(tests: int, *, pairs: bool = False) -> int:
    """The fewest runs a side that can reach p = 0.05 after Holm's correction for so many tests."""
    enough = LEVEL / tests + _ROUNDING
    return next(n for n in count(1) if least_p(n, n, pairs=pairs) <= enough)


def paired(groups: Sequence[Sequence[int]]) -> bool:
    """Whether every group has the same seeds, each once."""
    kinds = {tuple(sorted(seeds)) for seeds in groups}
    return len(kinds) == 1 and all(len(set(seeds)) == len(seeds) for seeds in kinds)


def ranks(losses: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Mean rank of every group over seeds (1: best; equal ones share theirs).

    Each group's losses are in the order of the same seeds; +inf for a run without an answer.
    """
    from scipy.stats import rankdata

    placed = rankdata(np.array(list(losses.values())), axis=0)  # (groups, seeds)
    return dict(zip(losses, placed.mean(axis=1).tolist(), strict=True))


def wins(losses: Mapping[str, Sequence[float]]) -> dict[str, int]:
    """On how many seeds no other group is better."""
    table = np.array(list(losses.values()))
    best = (table == table.min(axis=0)) & np.isfinite(table)
    return dict(zip(losses, best.sum(axis=1).tolist(), strict=True))


def contrasts(
    losses: Mapping[str, Sequence[float]], seeds: Mapping[str, Sequence[int]], *, pairs: bool
) -> list[Contrast]:
    """Every two groups against each other, the unit being the run.

    With `pairs`, where runs of one seed share their randomness, the signed-rank test over seeds,
    which every group has once; else the U test. A run without an answer (+inf) counts as worse than
    all that have one.
    """
    filled = dict(zip(losses, _finite([losses[group] for group in losses]), strict=True))
    rows, values = [], []
    for first, second in combinations(losses, 2):
        answers = [_ordered(losses[group], seeds[group]) for group in (first, second)]
        interval = paired_interval(*answers) if pairs else apart_interval(*answers)
        p = better = None
        if least_p(*map(len, answers), pairs=pairs) <= LEVEL:
            a, b = (_ordered(filled[group], seeds[group]) for group in (first, second))
            p, lean = _signed_rank(a, b) if pairs else _u_test(a, b)
            better = None if lean == 0 else first if lean < 0 else second
            values.append(p)
        rows.append((first, second, PAIRED if pairs else APART, *interval, p, better))
    corrected = iter(holm(values))
    return [Contrast(*row[:7], None if row[6] is None else next(corrected), row[7]) for row in rows]


Bounds = tuple[float | None, float | None, float | None]
"""By how much the first mean is below the second, and the 95 % interval; None where unknown."""


def apart_interval(first: Sequence[float], second: Sequence[float]) -> Bounds:
    """Welch's, of losses that do not pair."""
    if not np.isfinite([*first, *second]).all():
        return None, None, None
    lead = fmean(second) - fmean(first)
    if min(len(first), len(second)) < 2:
        return lead, None, None
    low, high, _ = welch(lead, [mean_of(variance(side), len(side)) for side in (first, second)])
    return lead, low, high


def paired_interval(first: Sequence[float], second: Sequence[float]) -> Bounds:
    """Student's, of the differences between losses that pair in their order."""
    if not np.isfinite([*first, *second]).all():
        return None, None, None
    each = [b - a for a, b in zip(first, second, strict=True)]
    if len(each) < 2:
        return fmean(each), None, None
    low, high, _ = welch(fmean(each), [mean_of(variance(each), len(each))])
    return fmean(each), low, high


def mean_of(single: float, number: int) -> Part:
    """The variance of a mean of so many whose own variance is `single`."""
    return single / number, number - 1


def welch(
    difference: float, parts: Sequence[Part]
) -> tuple[float | None, float | None, float | None]:
    """Low and high of the 95 % interval, and the two-sided p; None without any variance.

    `parts` are the variances of the means of which it is a sum or difference.
    """
    if not sum(part for part, _ in parts):
        return None, None, None
    from scipy.stats import t

    error, freedom = standard_error(parts)
    half = float(t.ppf(1 - LEVEL / 2, freedom)) * error
    p = 2 * float(t.sf(abs(difference) / error, freedom))
    return difference - half, difference + half, p


def standard_error(parts: Sequence[Part]) -> tuple[float, float]:
    """That of a difference, and Satterthwaite's degrees of freedom."""
    whole = sum(part for part, _ in parts)
    return math.sqrt(whole), whole**2 / sum(part**2 / freedom for part, freedom in parts)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number m: the k-th smallest times m - k + 1, never falling."""
    corrected, highest = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = highest
    return corrected


def _ordered(losses: Sequence[float], seeds: Sequence[int]) -> list[float]:
    """By seed."""
    return [loss for _, loss in sorted(zip(seeds, losses, strict=True))]


def _signed_rank(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """p-value, and below 0 if the first has the smaller losses."""
    from scipy.stats import rankdata, wilcoxon

    differences = np.subtract(a, b)
    told = differences[differences != 0]
    if not len(told):
        return 1.0, 0.0
    lean = float((np.sign(told) * rankdata(np.abs(told))).sum())
    return float(wilcoxon(a, b).pvalue), lean


def _u_test(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """p-value, and below 0 if the first has the smaller losses."""
    from scipy.stats import mannwhitneyu

    result = mannwhitneyu(a, b, alternative="two-sided")
    return float(result.pvalue), float(result.statistic) - len(a) * len(b) / 2


def _finite(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """The same losses with one above all others in place of +inf."""
    known = [loss for group in groups for loss in group if math.isfinite(loss)] or [0.0]
    beyond = max(known) + 2 * (max(known) - min(known)) + 1
    return [[loss if math.isfinite(loss) else beyond for loss in group] for group in groups]
