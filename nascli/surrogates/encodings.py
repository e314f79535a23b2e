"""Genotypes of any space as numbers, by its decisions alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nascli.core.genotype import Genotype
from nascli.core.space import SearchSpace

Codes = NDArray[np.int64]
Features = NDArray[np.float64]


class Encoding:
    """The numbers of the chosen options, and what follows from them.

    Args:
        space: whose genotypes are encoded.
        canonical: encode the canonical form of each genotype, so that equal functions look equal.
    """

    def __init__(self, space: SearchSpace, *, canonical: bool = False) -> None:
        self._canonical = space.canonical if canonical else None
        self._groups = list(space.decisions.values())
        self._numbers = [{option: n for n, option in enumerate(o)} for o in self._groups]
        self.sizes = [len(options) for options in self._groups]

    def codes(self, genotypes: Sequence[Genotype]) -> Codes:
        """(n, decisions): the number of every chosen option."""
        if self._canonical is not None:
            genotypes = [self._canonical(genotype) for genotype in genotypes]
        rows = [
            [numbers[option] for numbers, option in zip(self._numbers, g.options, strict=True)]
            for g in genotypes
        ]
        return np.array(rows, dtype=np.int64).reshape(len(genotypes), len(self.sizes))

    def one_hot(self, codes: Codes) -> Features:
        """(n, options of all decisions): 1 where an option is chosen."""
        columns = [codes[:, [d]] == np.arange(size) for d, size in enumerate(self.sizes)]
        return np.concatenate(columns, axis=1).astype(np.float64)

    def pairs(self, codes: Codes) -> Features:
        """(n, pairs of options of two decisions): 1 where both are chosen."""
        hot = [codes[:, [d]] == np.arange(size) for d, size in enumerate(self.sizes)]
        columns = [
            (first[:, :, None] & second[:, None, :]).reshape(len(codes), -1)
            for number, first in enumerate(hot)
            for second in hot[number + 1 :]
        ]
        return np.concatenate(columns or [np.zeros((len(codes), 0))], axis=1).astype(np.float64)

    def counts(self, codes: Codes) -> Features:
        """(n, options): how often each option is chosen, over all decisions that offer the same."""
        found: dict[tuple[str, ...], Features] = {}
        for decision, options in enumerate(self._groups):
            hot = (codes[:, [decision]] == np.arange(len(options))).astype(np.float64)
            found[options] = found[options] + hot if options in found else hot
        return np.concatenate(list(found.values()), axis=1)

    def options_and_counts(self, genotypes: Sequence[Genotype]) -> Features:
        """(n, all options and counts): what trees split on."""
        codes = self.codes(genotypes)
        return np.hstack([self.one_hot(codes), self.counts(codes)])


class Kept:
    """Remembers what `encode` gives for the last tuple of genotypes that it has seen."""

    def __init__(self, encode: Callable[[Sequence[Genotype]], Features]) -> None:
        self._encode = encode
        self._last: Sequence[Genotype] | None = None
        self._features: Features

    def __call__(self, genotypes: Sequence[Genotype]) -> Features:
        """The features of `genotypes`; those of a list, which may change, are not kept."""
        if not isinstance(genotypes, tuple):
            return self._encode(genotypes)
        if genotypes is not self._last:
            self._last, self._features = genotypes, self._encode(genotypes)
        return self._features


class Scale:
    """Brings values to mean 0 and deviation 1, and predictions back."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.mean = float(values.mean())
        self.deviation = float(values.std()) or 1.0

    def down(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of mean 0 and deviation 1."""
        return (values - self.mean) / self.deviation

    def up(
        self, means: NDArray[np.float64], deviations: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predictions in the unit of the values."""
        return (
            np.asarray(means * self.deviation + self.mean, dtype=np.float64),
            np.asarray(deviations * self.deviation, dtype=np.float64),
        )
