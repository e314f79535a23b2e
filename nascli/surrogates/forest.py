"""A random forest (Breiman, Random Forests, Machine Learning 2001)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core.genotype import Genotype
from nascli.core.randomness import seed_of
from nascli.core.space import SearchSpace
from nascli.surrogates.encodings import Encoding, Kept


class Forest:
    """Scikit-learn's random forest on options and option counts; its trees' spread is the doubt.

    Args:
        space: whose genotypes are judged.
        seed: of the bootstrap samples and the trees.
        trees: how many.
        share: of the features that each split looks at.
        canonical: whether equal functions look equal to it.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        trees: int = 100,
        share: float = 0.5,
        canonical: bool = True,
    ) -> None:
        self._encoding = Encoding(space, canonical=canonical)
        self._settings = {"n_estimators": trees, "max_features": share}
        self._seed = seed
        self._features = Kept(self._encoding.options_and_counts)

    def fit(self, genotypes: Sequence[Genotype], values: NDArray[np.float64]) -> None:
        """Grows a new forest."""
        from sklearn.ensemble import RandomForestRegressor

        seed = seed_of(self._seed, "forest", len(values))
        self._forest = RandomForestRegressor(**self._settings, random_state=seed)
        self._forest.fit(self._encoding.options_and_counts(genotypes), values)

    def predict(
        self, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation over the trees; takes no notice of `pending`."""
        del pending
        features = self._features(genotypes).astype(np.float32)
        trees = np.stack([tree.predict(features) for tree in self._forest.estimators_])
        return trees.mean(axis=0), trees.std(axis=0)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: `fit` brings it all back."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""
