"""Whether groups of runs differ by more than their seeds do.

Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006: mean ranks and
the signed-rank test; Holm, A simple sequentially rejective multiple test procedure, 1979.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

FEWEST = 5  # runs a side; with fewer no outcome is unlikely enough to mean anything
PAIRED, APART = "Wilcoxon signed-rank", "Mann-Whitney U"
Losses = Mapping[int, float]


@dataclass(frozen=True)
class Contrast:
    """Two groups and a two-sided test of them: its p-value as it is, and after Holm's correction.

    `better` is the group that the test leans to, None where it leans to neither.
    """

    first: str
    second: str
    test: str
    p: float
    corrected: float
    better: str | None


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
    losses: Mapping[str, Sequence[float]], seeds: Mapping[str, Sequence[int]]
) -> list[Contrast]:
    """Tests every two groups that have at least `FEWEST` runs each.

    Where two groups have the same seeds, each once, the signed-rank test over seeds; else the U
    test. A run without an answer (+inf) counts as worse than all that have one.
    """
    enough = [group for group in losses if len(losses[group]) >= FEWEST]
    filled = dict(zip(losses, _finite([losses[group] for group in losses]), strict=True))
    rows = []
    for first, second in combinations(enough, 2):
        pairs = paired([seeds[first], seeds[second]])
        a, b = (_ordered(filled[g], seeds[g]) for g in (first, second))
        p, lean = _signed_rank(a, b) if pairs else _u_test(a, b)
        better = None if lean == 0 else first if lean < 0 else second
        rows.append((first, second, PAIRED if pairs else APART, p, better))
    corrected = holm([row[3] for row in rows])
    return [Contrast(*row[:4], c, row[4]) for row, c in zip(rows, corrected, strict=True)]


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
