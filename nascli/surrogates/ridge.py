"""Bayesian ridge regression on options and pairs of options.

MacKay, Bayesian Interpolation, Neural Computation 1992: the strengths of prior and noise maximise
the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core.genotype import Genotype
from nascli.core.space import SearchSpace
from nascli.surrogates.encodings import Encoding, Kept, Scale

_RATIOS = np.logspace(-3, 4, 36)  # noise variance over prior variance of a weight


class Ridge:
    """values = options + pairs of options + noise, all weights normal with one variance.

    Args:
        space: whose genotypes are judged.
        seed: not used, for nothing is drawn.
        pairs: whether two options of different decisions have a weight together.
        canonical: whether equal functions look equal to it.
    """

    def __init__(
        self, space: SearchSpace, seed: int, pairs: bool = True, canonical: bool = True
    ) -> None:
        del seed
        self._encoding = Encoding(space, canonical=canonical)
        self._pairs = pairs
        self._features = Kept(self._encode)

    def _encode(self, genotypes: Sequence[Genotype]) -> NDArray[np.float64]:
        codes = self._encoding.codes(genotypes)
        single = self._encoding.one_hot(codes)
        return np.hstack([single, self._encoding.pairs(codes)]) if self._pairs else single

    def fit(self, genotypes: Sequence[Genotype], values: NDArray[np.float64]) -> None:
        """The posterior of the weights, in the basis of the features' singular vectors."""
        features = self._encode(genotypes)
        self._scale, self._centre = Scale(values), features.mean(axis=0)
        left, singular, self._basis = np.linalg.svd(features - self._centre, full_matrices=False)
        along = left.T @ self._scale.down(values)
        rest = max(1e-9, float(np.sum(self._scale.down(values) ** 2) - np.sum(along**2)))
        self._ratio, prior = _most_evident(singular**2, along**2, rest, len(values))
        self._weights = along * singular / (singular**2 + self._ratio)
        self._known = prior * singular**2 / (singular**2 + self._ratio)
        self._prior = prior

    def predict(
        self, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The posterior means and deviations, without the noise; takes no notice of `pending`."""
        del pending
        features = self._features(genotypes) - self._centre
        along = features @ self._basis.T
        squares = np.einsum("ij,ij->i", features, features)
        variance = self._prior * squares - np.square(along) @ self._known
        return self._scale.up(along @ self._weights, np.sqrt(np.maximum(variance, 1e-9)))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: `fit` brings it all back."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""


def _most_evident(
    squares: NDArray[np.float64], along: NDArray[np.float64], rest: float, count: int
) -> tuple[float, float]:
    """The ratio of largest evidence, and the prior variance that goes with it.

    `squares` are the squared singular values, `along` the values' squared parts along them, `rest`
    what is left of the values' squared length, which is all noise.
    """
    total = squares[:, None] + _RATIOS  # (directions, ratios)
    outside = count - len(squares)
    prior = ((along[:, None] / total).sum(axis=0) + rest / _RATIOS) / count
    evidence = -(count * np.log(prior) + np.log(total).sum(axis=0) + outside * np.log(_RATIOS))
    best = int(np.argmax(evidence))
    return float(_RATIOS[best]), float(prior[best])
