"""Gradient-boosted trees (Friedman, Greedy Function Approximation, Annals of Statistics 2001)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core.genotype import Genotype
from nascli.core.randomness import array_generator
from nascli.core.space import SearchSpace
from nascli.surrogates.encodings import Encoding, Kept


class Boosting:
    """A few of scikit-learn's boosted ensembles, each on a bootstrap sample; they differ by doubt.

    Args:
        space: whose genotypes are judged.
        seed: of the samples, and of ties between splits.
        members: ensembles.
        rounds: trees in each.
        depth: of a tree.
        rate: what each tree adds.
        canonical: whether equal functions look equal to it.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        members: int = 5,
        rounds: int = 100,
        depth: int = 4,
        rate: float = 0.1,
        canonical: bool = True,
    ) -> None:
        self._encoding = Encoding(space, canonical=canonical)
        self._settings = {"n_estimators": rounds, "max_depth": depth, "learning_rate": rate}
        self._count, self._seed = members, seed
        self._features = Kept(self._encoding.options_and_counts)

    def fit(self, genotypes: Sequence[Genotype], values: NDArray[np.float64]) -> None:
        """Fits all members anew, the first one on every value as it is."""
        from sklearn.ensemble import GradientBoostingRegressor

        features = self._encoding.options_and_counts(genotypes)
        draws = array_generator(self._seed, "boosting", len(values))
        self._members = []
        for member in range(self._count):
            rows = draws.integers(len(values), size=len(values)) if member else slice(None)
            seed = int(draws.integers(2**31))
            trees = GradientBoostingRegressor(**self._settings, random_state=seed)
            self._members.append(trees.fit(features[rows], values[rows]))

    def predict(
        self, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation over the members; takes no notice of `pending`."""
        del pending
        features = self._features(genotypes).astype(np.float32)
        found = np.stack([member.predict(features) for member in self._members])
        return found.mean(axis=0), found.std(axis=0)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: `fit` brings it all back."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""
