"""Whether a network is better than its baselines, by more than chance does.

Against random genotypes of its space the genotype is the unit, and seeds are nested in it: a rank
test (Dwass, Modified randomization tests for nonparametric hypotheses, 1957) and an interval of the
difference of means. Against a known network the seed is the unit. Intervals and corrections are
those of `nascli.analysis.significance`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, variance

from nascli.analysis.significance import (
    LEVEL,
    Part,
    holm,
    mean_of,
    significant,
    standard_error,
    welch,
)

POWER = 0.8
_ENOUGH = 1000  # genotypes: beyond, nobody will train them
_ROUNDING = 1e-12

Scores = Sequence[float]
"""Accuracies (%) of one network, one a seed."""


@dataclass(frozen=True)
class Versus:
    """A network against one baseline; `difference` is by how many points its mean is above.

    `low` and `high` bound 95 % of it; None where seeds or genotypes are too few to say, or all
    score the same. `p` is that of the test and `corrected` what Holm makes of it, None without a
    test: one-sided by rank against random genotypes, of which it is better than `beaten` of
    `genotypes`, and two-sided against a network, where both are 0. `more` random genotypes would
    show a difference of a point; None if no number of them would, or it is not known.
    """

    baseline: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    corrected: float | None = None
    beaten: int = 0
    genotypes: int = 0
    more: int | None = None

    @property
    def better(self) -> bool:
        """Whether it is shown to be better."""
        return self._told and self.difference > 0 and (self.low is None or self.low > 0)

    @property
    def worse(self) -> bool:
        """Whether it is shown to be worse: than the mean of the genotypes, if they are random."""
        surely = self.high is not None and self.high < 0
        return surely and (self._told or self.genotypes > 0)

    @property
    def _told(self) -> bool:
        return significant(self.corrected)


def compare(
    found: Scores, genotypes: Sequence[Scores], networks: Mapping[str, Scores]
) -> list[Versus]:
    """The found network against random genotypes, if there are any, and every known network.

    Each has at least one score, and so has `found`.
    """
    others = [against_network(name, found, scores) for name, scores in networks.items()]
    tests = 1 + sum(row.p is not None for row in others)
    rows = [*([against_random(found, genotypes, tests)] if genotypes else []), *others]
    corrected = iter(holm([row.p for row in rows if row.p is not None]))
    return [row if row.p is None else replace(row, corrected=next(corrected)) for row in rows]


def least_p(genotypes: int) -> float:
    """The smallest p that the rank test can reach with so many random genotypes."""
    return 1 / (genotypes + 1)


def genotypes_for(tests: int) -> int:
    """How many random genotypes reach p = 0.05, Holm's correction for so many tests included."""
    return math.ceil(tests / LEVEL - _ROUNDING) - 1


def against_random(found: Scores, genotypes: Sequence[Scores], tests: int = 1) -> Versus:
    """By rank among the genotypes' means: p = (1 + those at least as good) / (genotypes + 1).

    The interval adds the variance between genotypes' means, over their number, and that of the
    seeds of `found`, over theirs. With a single seed it takes what the seeds of the other genotypes
    vary by, all of them together; where these are single too there is no interval.
    """
    means, own = [fmean(scores) for scores in genotypes], fmean(found)
    beaten = sum(mean < own for mean in means)
    p = (1 + len(means) - beaten) / (len(means) + 1)
    low = high = more = None
    seeds = _seeds(found, genotypes)
    if seeds is not None and len(means) > 1:
        between = variance(means)
        low, high, _ = welch(own - fmean(means), [seeds, mean_of(between, len(means))])
        more = _more(seeds, between, len(means), tests)
    return Versus("random", own - fmean(means), low, high, p, None, beaten, len(means), more)


def against_network(name: str, found: Scores, other: Scores) -> Versus:
    """By Welch's test over the seeds; without one where either has a single seed."""
    difference = fmean(found) - fmean(other)
    if min(len(found), len(other)) < 2:
        return Versus(name, difference, None, None, None)
    parts = [mean_of(variance(scores), len(scores)) for scores in (found, other)]
    return Versus(name, difference, *welch(difference, parts))


def _seeds(found: Scores, genotypes: Sequence[Scores]) -> Part | None:
    """What chance in training adds to the mean of `found`; None if no network has two seeds."""
    if len(found) > 1:
        return mean_of(variance(found), len(found))
    several = [scores for scores in genotypes if len(scores) > 1]
    freedom = sum(len(scores) - 1 for scores in several)
    if not freedom:
        return None
    return sum((len(scores) - 1) * variance(scores) for scores in several) / freedom, freedom


def _more(seeds: Part, between: float, there: int, tests: int) -> int | None:
    """How many random genotypes more would show a difference of one point four times in five.

    The least number at which (t(0.975) + t(0.8)) standard errors come to a point, and at which the
    rank test can reach its level.
    """
    from scipy.stats import t

    for number in range(max(there, genotypes_for(tests)), _ENOUGH):
        parts = [seeds, mean_of(between, number)]
        error, freedom = standard_error(parts) if any(part for part, _ in parts) else (0.0, 1.0)
        if (t.ppf(1 - LEVEL / 2, freedom) + t.ppf(POWER, freedom)) * error <= 1:
            return number - there
    return None
