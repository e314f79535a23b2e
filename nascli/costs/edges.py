"""A latency as a sum over decisions: a number for every option, fitted by least squares.

It is what a table of single layers cannot be where nobody has timed them: fitted on whole networks,
of which a hundred are enough for NAS-Bench-201 (benchmarks/nasbench201_latency.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype

Decisions = Mapping[str, Sequence[str]]
_STRENGTHS = (0.0, *(10.0**power for power in range(-5, 3)))
_FAR = 2.0  # a network as many times faster or slower than the fit is an outlier
_ROUNDS = 3


@dataclass(frozen=True)
class EdgeTable:
    """`fixed` milliseconds, and for every decision what each of its options adds.

    The first option of a decision adds nothing.
    """

    fixed: float
    rows: Mapping[str, tuple[float, ...]]
    options: Decisions

    def ms(self, genotype: Genotype) -> float:
        """The sum over what the genotype has."""
        taken = genotype.choices.items()
        return self.fixed + math.fsum(self.rows[d][self.options[d].index(o)] for d, o in taken)


def fit(decisions: Decisions, samples: Sequence[tuple[Genotype, float]]) -> EdgeTable:
    """The table of least squared relative errors on networks and their milliseconds.

    An option's number at a decision is what it has at all decisions, plus an own part that ridge
    regression keeps small; how small is what predicts each network best from all others
    (leave-one-out, in closed form). Networks that are twice as fast or slow as the fit says, as
    glitches of a measurement are, are left out of a second and a third round.

    Raises:
        Fault: there are no networks, or a time is not above 0.
    """
    ms = np.array([value for _, value in samples], dtype=float)
    if not len(ms) or not (ms > 0).all():
        raise Fault("a table of latencies needs networks, and times above 0 ms")
    names = list(dict.fromkeys(o for options in decisions.values() for o in options[1:]))
    features = np.array([_features(decisions, names, genotype) for genotype, _ in samples])
    found = _ridge(features, ms, np.ones(len(ms)), len(names))
    for _ in range(_ROUNDS):
        ratio = ms / np.maximum(features @ found, 1e-9)
        kept = (ratio < _FAR) & (ratio > 1 / _FAR)
        if not kept.any():
            break
        found = _ridge(features[kept], ms[kept], 1 / ms[kept], len(names))
    common = dict(zip(names, found[1:], strict=False))
    own = iter(found[1 + len(names) :])
    rows = {
        decision: (0.0, *(float(common[o] + next(own)) for o in options[1:]))
        for decision, options in decisions.items()
    }
    return EdgeTable(float(found[0]), rows, {d: tuple(o) for d, o in decisions.items()})


def _features(decisions: Decisions, names: Sequence[str], genotype: Genotype) -> list[float]:
    """1, how often each of `names` is taken, and 0 or 1 for each option but a decision's first."""
    taken = genotype.choices
    own = [float(taken[d] == o) for d, options in decisions.items() for o in options[1:]]
    first = {d: options[0] for d, options in decisions.items()}
    options = [o for d, o in taken.items() if o != first[d]]
    return [1.0, *(float(options.count(name)) for name in names), *own]


def _ridge(
    features: NDArray[np.float64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    common: int,
) -> NDArray[np.float64]:
    """Weighted ridge regression on what follows the first and the `common` features."""
    x, y = features * weights[:, None], values * weights
    gram = x.T @ x
    penalised = np.diag([0.0] * (1 + common) + [1.0] * (len(gram) - 1 - common))
    best, found = math.inf, np.zeros(len(gram))
    for strength in _STRENGTHS:
        scale = strength * float(np.trace(gram)) / len(gram)
        inverse = np.linalg.pinv(gram + scale * penalised, rcond=1e-10, hermitian=True)
        solution = inverse @ (x.T @ y)
        leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
        error = float((((y - x @ solution) / np.maximum(1 - leverage, 1e-6)) ** 2).sum())
        if error < best:
            best, found = error, solution
    return found
