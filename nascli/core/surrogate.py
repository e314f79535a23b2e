"""Surrogates: models that guess what a genotype's value is from those already known."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nascli.core.genotype import Genotype


class Surrogate(Protocol):
    """Built as `Surrogate(space, seed, **yaml)`; guesses values, of which the larger is the better.

    What it draws at random follows from the seed and from how many values it is fitted on.
    """

    def fit(self, genotypes: Sequence[Genotype], values: NDArray[np.float64]) -> None:
        """Learns from `values` (n,), finite, of n >= 1 `genotypes`; all that it knew is replaced.

        Where `genotypes` begins with those of the last call, a surrogate may go on from there.
        """

    def predict(
        self, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means and standard deviations, (n,) each, in the unit of the values it was fitted on.

        Results for `pending` are on their way: a surrogate that can lowers its deviations around
        them, others take no notice. What depends only on `genotypes` is kept for the next call with
        the very same tuple, so a fixed pool of candidates is encoded once.
        """

    def state_dict(self) -> dict[str, Any]:
        """What another `fit` on the same values would not bring back; often nothing."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave; `fit` follows."""


def predicted(
    surrogate: Surrogate, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a surrogate that has been fitted predicts; see `Surrogate.predict`.

    Raises:
        Stopped: that is no number.
    """
    import numpy as np

    from nascli.core.fault import Stopped

    means, deviations = surrogate.predict(genotypes, pending)
    if not (np.isfinite(means).all() and np.isfinite(deviations).all()):
        raise Stopped(
            f"{type(surrogate).__name__} predicts no numbers: its own training diverged; start a "
            "new run with a smaller learning_rate of the surrogate, or another surrogate"
        )
    return means, deviations


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values' ranks as quantiles of the standard normal distribution; equals share theirs.

    The value of rank r (the worst has 0) among n becomes the normal quantile of (r + 1/2) / n, so
    that neither a long lower tail nor the metric's unit matters to a surrogate.
    """
    import numpy as np

    quantile = NormalDist().inv_cdf
    scores = np.array([quantile((rank + 0.5) / len(values)) for rank in range(len(values))])
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    means = np.add.reduceat(scores, np.cumsum(sizes) - sizes) / sizes
    return np.asarray(means[group.reshape(-1)], dtype=np.float64)
