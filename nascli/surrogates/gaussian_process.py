"""A Gaussian process over genotypes, its kernel fitted by marginal likelihood.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5; kernels
over architectures: Kandasamy et al. 2018 (arXiv 1802.07191), White et al. 2021 (arXiv 2007.04965).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import SearchSpace
from nascli.surrogates.encodings import Encoding, Scale

_LARGEST = 200  # values that the kernel's parameters are fitted on: each step is cubic in them
_NOISE = 0.03  # what the noise variance is expected to be, of values of variance 1
_LEAST = 1e-4  # and what it is at least, so that no covariance is singular
_STEPS = 40  # of the fit
_CHUNK = 2048  # candidates whose kernel is worked out at a time
_ROOM = 2048  # rows at once, so that few are ever copied; memory is taken only as it is written
_TINY = 1e-9  # variance that rounding may leave below zero

Matrix = NDArray[np.float64]
Distances = NDArray[np.integer[Any]]


class GaussianProcess:
    """A sum of three kernels w exp(-d / l), each with a distance d of its own.

    The distances between two genotypes are the decisions in which their canonical forms differ
    (locality, and equal functions are equal), the decisions in which they differ as written, and
    the squared difference of how often each option is chosen in the canonical forms (what it is
    made of, wherever it stands). Weights w, lengths l and the noise maximise the marginal
    likelihood times a log-normal prior that depends on the number of decisions alone.

    One more value costs O(n candidates): the Cholesky factor grows by a row, and so does its
    product with the kernel to the candidates. The parameters are fitted anew, on at most 200 of
    the values, each time that there are `growth` times as many, until that has been 400 or more:
    from there on so few of them would tell little that is new, and all else had to start afresh.

    Args:
        space: whose genotypes are judged.
        seed: not used, for nothing is drawn.
        growth: when to fit the kernel's parameters again.
        most: values beyond the first so many are left out, for memory and time are quadratic.
    """

    def __init__(
        self, space: SearchSpace, seed: int, growth: float = 1.25, most: int = 2000
    ) -> None:
        del seed
        if not growth > 1:
            raise Fault(f"growth is {growth}; it must be above 1")
        if most < 1:
            raise Fault(f"most is {most}; it must be at least 1")
        self._growth, self._most = growth, most
        self._encoding = Encoding(space)
        self._canonical = Encoding(space, canonical=True)
        self._decisions = len(space.decisions)
        self._known: list[Genotype] = []
        self._points = self._places(())
        self._scores = np.zeros(0)
        self._fitted = 0  # on how many values the parameters were
        self._kernel = _Kernel(_prior(self._decisions), self._decisions)
        self._factor: _Factor | None = None
        self._pool: tuple[Genotype, ...] | None = None

    def fit(self, genotypes: Sequence[Genotype], values: NDArray[np.float64]) -> None:
        """Takes the values in; fits the kernel if there are enough new ones."""
        genotypes, values = genotypes[: self._most], values[: self._most]
        if self._known != list(genotypes[: len(self._known)]):
            self._known, self._points = [], self._places(())
            self._fitted = 0
        new = list(genotypes[len(self._known) :])
        self._known += new
        self._points = self._points.plus(self._places(new))
        self._scale = Scale(np.asarray(values, dtype=np.float64))
        self._scores = self._scale.down(values)
        settled = 2 * _LARGEST <= self._fitted <= len(values)
        if not settled and not self._fitted <= len(values) < self._growth * self._fitted:
            self._fitted = len(values)
            chosen = np.unique(np.linspace(0, len(values) - 1, _LARGEST).astype(int))
            between = [d[np.ix_(chosen, chosen)] for d in self._points.distances(self._points)]
            theta = _maximise(between, self._scores[chosen], _prior(self._decisions))
            self._kernel = _Kernel(theta, self._decisions)
            self._factor = None

    def predict(
        self, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The posterior; `pending` lower the deviations and leave the means alone."""
        if genotypes is not self._pool:
            self._pool, self._candidates = genotypes, self._places(genotypes)
        factor = self._factor = self._factor or _Factor(self._kernel, self._points, self._fitted)
        factor.project(self._points, self._candidates)
        factor.extend(self._points)
        means, variance = factor.means(self._scores), factor.variance
        if pending:
            factor.extend(self._points.plus(self._places(pending)))
            factor.n, factor.variance, variance = len(self._points), variance, factor.variance
        return self._scale.up(means, np.sqrt(np.maximum(variance, _TINY)))

    def state_dict(self) -> dict[str, Any]:
        """The kernel's parameters and how many values they were fitted on."""
        return {"theta": self._kernel.theta.tolist(), "fitted": self._fitted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._kernel = _Kernel(np.array(state["theta"]), self._decisions)
        self._fitted = int(state["fitted"])
        self._factor = None

    def _places(self, genotypes: Sequence[Genotype]) -> _Places:
        canonical = self._canonical.codes(genotypes)
        counts = self._canonical.counts(canonical).astype(np.float32)
        written = self._encoding.codes(genotypes)
        # Column by column, for that is how they are compared.
        columns = [np.asfortranarray(codes, dtype=np.int16) for codes in (canonical, written)]
        return _Places(columns[0], columns[1], counts)


class _Places:
    """Where genotypes stand: all that the distances between them need."""

    def __init__(self, canonical: Any, written: Any, counts: Any) -> None:
        self.canonical, self.written, self.counts = canonical, written, counts
        self.squares = (counts * counts).sum(axis=1)

    def __len__(self) -> int:
        return len(self.written)

    def __getitem__(self, rows: slice) -> _Places:
        return _Places(self.canonical[rows], self.written[rows], self.counts[rows])

    def plus(self, other: _Places) -> _Places:
        """These and the `other` ones after them."""
        return _Places(
            np.asfortranarray(np.concatenate([self.canonical, other.canonical])),
            np.asfortranarray(np.concatenate([self.written, other.written])),
            np.concatenate([self.counts, other.counts]),
        )

    def distances(self, other: _Places) -> tuple[Distances, Distances, Distances]:
        """The three distances, (these, other) each; all are whole numbers."""
        squared = self.squares[:, None] + other.squares - 2 * self.counts @ other.counts.T
        return (
            _different(self.canonical, other.canonical),
            _different(self.written, other.written),
            np.rint(squared).astype(np.int32),
        )


def _different(first: Distances, second: Distances) -> Distances:
    """(first, second): in how many decisions they differ."""
    total = np.zeros((len(first), len(second)), dtype=np.int16)
    for column, other in zip(first.T, second.T, strict=True):
        total += column[:, None] != other
    return total


class _Kernel:
    """k = sum of w exp(-d / l); `theta` holds the logarithms of (w, w, w, l, l, l, noise)."""

    def __init__(self, theta: Matrix, decisions: int) -> None:
        self.theta = theta
        weights, lengths = np.exp(theta[:3]), np.exp(theta[3:6])
        self.noise = float(np.exp(theta[6]))
        self.diagonal = float(weights.sum())
        # A distance is at most 2 D^2 (all D decisions moved from one option to another).
        steps = np.arange(2 * decisions**2 + 1)
        self._values = [w * np.exp(-steps / n) for w, n in zip(weights, lengths, strict=True)]

    def __call__(self, first: _Places, second: _Places) -> Matrix:
        """(first, second): the covariances."""
        distances = first.distances(second)
        return np.asarray(sum(v[d] for v, d in zip(self._values, distances, strict=True)))


class _Factor:
    """The Cholesky factor L of n values' covariance, its inverse, and L^-1 times the candidates'.

    The first `block` values come in together, others singly: the same steps in the same order give
    the same digits, which a resumed search needs. Arrays have room for more than the n that count.
    """

    def __init__(self, kernel: _Kernel, points: _Places, block: int) -> None:
        self._kernel, self._block, self.n = kernel, block, block
        first = points[:block]
        lower = np.linalg.cholesky(kernel(first, first) + kernel.noise * np.eye(block))
        self._lower, self._inverse = lower, np.linalg.inv(lower)
        self._pool: _Places | None = None

    def project(self, points: _Places, pool: _Places) -> None:
        """Turns to the candidates `pool`, unless they are those that it has."""
        if pool is self._pool:
            return
        self._pool = pool
        first, inverse = points[: self._block], self._inverse[: self._block, : self._block]
        inverse = inverse.astype(np.float32)
        parts = [pool[start : start + _CHUNK] for start in range(0, len(pool), _CHUNK)]
        product = [inverse @ self._kernel(first, part).astype(np.float32) for part in parts]
        self._rows = np.concatenate(product, axis=1)
        self.variance = self._kernel.diagonal - np.square(self._rows).sum(axis=0, dtype=np.float64)
        for row in range(self._block, self.n):
            self._project_one(points, row)

    def extend(self, points: _Places) -> None:
        """Takes in the `points` that it does not have."""
        for row in range(self.n, len(points)):
            self._append(points, row)
            self._project_one(points, row)

    def _append(self, points: _Places, n: int) -> None:
        """Borders L and its inverse with point n."""
        kernel, new = self._kernel, points[n : n + 1]
        self._lower, self._inverse = (
            _roomy(a, n, square=True) for a in (self._lower, self._inverse)
        )
        inverse = self._inverse[:n, :n]
        side = inverse @ kernel(points[:n], new)[:, 0]
        corner = math.sqrt(max(kernel.diagonal + kernel.noise - float(side @ side), _TINY))
        self._lower[n, :n], self._lower[n, n] = side, corner
        self._inverse[n, :n], self._inverse[n, n] = -(side @ inverse) / corner, 1 / corner
        self.n = n + 1

    def _project_one(self, points: _Places, n: int) -> None:
        assert self._pool is not None
        self._rows = _roomy(self._rows, n)
        row = self._kernel(points[n : n + 1], self._pool)[0].astype(np.float32)
        row -= self._lower[n, :n].astype(np.float32) @ self._rows[:n]
        self._rows[n] = row / np.float32(self._lower[n, n])
        self.variance = self.variance - np.square(self._rows[n], dtype=np.float64)

    def means(self, scores: Matrix) -> Matrix:
        """The posterior means at the candidates (eq. 2.25), before any pending ones come in."""
        n = len(scores)
        weights = (self._inverse[:n, :n] @ scores).astype(np.float32)
        return np.asarray(weights @ self._rows[:n], dtype=np.float64)


def _roomy(array: Any, n: int, *, square: bool = False) -> Any:
    """`array`, or a larger copy if it has no row n."""
    if n < len(array):
        return array
    rows = n + max(_ROOM, n)
    larger = np.zeros((rows, rows if square else array.shape[1]), array.dtype)
    larger[:n, : array.shape[1]] = array[:n]
    return larger


def _prior(decisions: int) -> Matrix:
    """The expected parameters: equal weights, lengths that grow with the number of decisions."""
    lengths = np.array([decisions / 3, decisions / 3, 2 * decisions / 3])
    prior: Matrix = np.log(np.concatenate([np.full(3, 1 / 3), lengths, [_NOISE]]))
    return prior


_SPREAD = np.array([1.0, 1.0, 1.0, 0.7, 0.7, 0.7, 1.0])  # the prior's deviations, of logarithms


def _maximise(distances: Sequence[Distances], scores: Matrix, prior: Matrix) -> Matrix:
    """The most probable parameters, by resilient propagation (Igel and Huesken 2003, iRprop-)."""
    theta: Matrix = prior.copy()
    step, before = np.full(len(prior), 0.2), np.zeros(len(prior))
    for _ in range(_STEPS):
        gradient = _gradient(theta, distances, scores) + (theta - prior) / _SPREAD**2
        agrees = gradient * before
        step = np.clip(np.where(agrees > 0, 1.2, np.where(agrees < 0, 0.5, 1.0)) * step, 1e-3, 1.0)
        before = np.where(agrees < 0, 0.0, gradient)
        theta = theta - np.sign(before) * step
        theta[6] = max(theta[6], math.log(_LEAST))
    return theta


def _gradient(theta: Matrix, distances: Sequence[Distances], scores: Matrix) -> Matrix:
    """The gradient of the negative log marginal likelihood by `theta` (eq. 5.9)."""
    lengths, noise = np.exp(theta[3:6]), math.exp(theta[6])
    parts = [np.exp(theta[i] - d / lengths[i]) for i, d in enumerate(distances)]
    inverse = np.linalg.inv(sum(parts) + noise * np.eye(len(scores)))
    weights = inverse @ scores
    outer = (inverse - np.outer(weights, weights)) / 2  # dL/dK
    by_weight = [np.vdot(outer, part) for part in parts]
    by_length = [
        np.vdot(outer, part * d) / length
        for part, d, length in zip(parts, distances, lengths, strict=True)
    ]
    return np.array([*by_weight, *by_length, noise * np.trace(outer)])
