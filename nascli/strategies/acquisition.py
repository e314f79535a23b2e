"""What a prediction is worth to a search: the genotype of the largest value is tried next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault, unknown

Values = NDArray[np.float64]

NAMES = ("bound", "improvement", "thompson", "mean")


class Acquisition:
    """One rule, applied to means and deviations (n,) of values of which the larger is the better.

    `bound` is mean + kappa deviations (GP-UCB; Srinivas et al. 2010, arXiv 0912.3995);
    `improvement` the expected improvement on the best known value (Jones et al. 1998, eq. 15);
    `thompson` one draw from a normal distribution for each, independently of the others (ITS of
    White et al. 2021, arXiv 1910.11858); `mean` the mean alone.

    Raises:
        Fault: the name is not known, or kappa is negative.
    """

    def __init__(self, name: str, kappa: float) -> None:
        if name not in NAMES:
            raise Fault(unknown("acquisition", name, NAMES))
        if not kappa >= 0:
            raise Fault(f"kappa is {kappa}; it must be at least 0")
        self._name, self._kappa = name, kappa

    def __call__(
        self, means: Values, deviations: Values, best: float, rng: np.random.Generator
    ) -> Values:
        """The worth of each."""
        if self._name == "bound":
            return means + self._kappa * deviations  # Srinivas et al., eq. 6: mu + beta^(1/2) sigma
        if self._name == "thompson":
            return means + deviations * rng.standard_normal(len(means))
        if self._name == "improvement":
            return expected_improvement(means, deviations, best)
        return means


def expected_improvement(means: Values, deviations: Values, best: float) -> Values:
    """E[max(0, value - best)] for normally distributed values.

    Jones, Schonlau and Welch 1998, eq. 15, for values to be maximised: with u = (mean - best) / sd
    it is (mean - best) Phi(u) + sd phi(u).
    """
    from scipy.special import ndtr  # expensive to import, and only needed here

    gain = means - best
    sure = np.maximum(deviations, 1e-12)
    u = gain / sure
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    # eq. 15: (mean - best) Phi(u) + sd phi(u)
    return np.asarray(gain * ndtr(u) + sure * density, dtype=np.float64)
