"""A Gaussian process over genotypes, its kernel fitted by marginal likelihood.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5; kernels
over architectures: Kandasamy et al. 2018 (arXiv 1802.07191), White et al. 2021 (arXiv 2007.04965).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.space import SearchSpace
from nascli.surrogates.encodings import Encoding, Scale
from nascli.surrogates.graphs import Graph, graph_counts

_DISTANCES = ("graph", "decisions")
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
    """A sum of kernels w exp(-d / l), each with a distance d of its own.

    One distance between two genotypes are the decisions in which their canonical forms differ
    (locality, and equal functions are equal). With `distances="graph"` the other one is the squared
    difference of the canonical forms' graph counts (what it is made of and how that hangs together:
    `graph_counts`). With "decisions" there are two more: the decisions in which they differ as
    written, and the squared difference of how often each option is chosen in the canonical forms.
    Weights w, lengths l and the noise maximise the marginal likelihood times a log-normal prior
    that depends on the number of decisions and of counts alone.

    One more value costs O(n candidates): the Cholesky factor grows by a row, and so does its
    product with the kernel to the candidates. The parameters are fitted anew, on at most 200 of
    the values, each time that there are `growth` times as many, until that has been 400 or more:
    from there on so few of them would tell little that is new, and all else had to start afresh.

    Args:
        space: whose genotypes are judged.
        seed: not used, for nothing is drawn.
        distances: "graph" or "decisions".
        growth: when to fit the kernel's parameters again.
        most: values beyond the first so many are left out, for memory and time are quadratic.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        growth: float = 1.25,
        most: int = 2000,
        distances: Literal["graph", "decisions"] = "decisions",
    ) -> None:
        del seed
        if distances not in _DISTANCES:
            raise Fault(unknown("distances", distances, _DISTANCES))
        if not growth > 1:
            raise Fault(f"growth is {growth}; it must be above 1")
        if most < 1:
            raise Fault(f"most is {most}; it must be at least 1")
        self._growth, self._most = growth, most
        self._encoding = Encoding(space)
        self._canonical = Encoding(space, canonical=True)
        self._form = space.canonical
        self._graph = Graph(space) if distances == "graph" else None
        self._known: list[Genotype] = []
        self._points = self._places(())
        graph, decisions = self._graph is not None, len(space.decisions)
        moved = 2 * (self._points.counts.shape[1] if graph else decisions / 3)
        self._prior = _prior([*[decisions / 3] * (1 if graph else 2), moved])
        self._scores = np.zeros(0)
        self._fitted = 0  # on how many values the parameters were
        self._kernel = _Kernel(self._prior)
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
            self._kernel = _Kernel(_maximise(between, self._scores[chosen], self._prior))
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
        self._kernel = _Kernel(np.array(state["theta"]))
        self._fitted = int(state["fitted"])
        self._factor = None

    def _places(self, genotypes: Sequence[Genotype]) -> _Places:
        canonical = self._canonical.codes(genotypes)
        codes = [canonical]
        if self._graph is not None:
            counts = graph_counts(self._graph, self._graph([self._form(g) for g in genotypes]))
        else:
            codes.append(self._encoding.codes(genotypes))
            counts = self._canonical.counts(canonical)
        # Column by column, for that is how they are compared.
        columns = [np.asfortranarray(each, dtype=np.int16) for each in codes]
        return _Places(columns, counts.astype(np.float32))


class _Places:
    """Where genotypes stand: codes (n, decisions) that differ or not, and counts (n, ...)."""

    def __init__(self, codes: Sequence[Any], counts: Any) -> None:
        self.codes, self.counts = codes, counts
        self.squares = (counts * counts).sum(axis=1)

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, rows: slice) -> _Places:
        return _Places([codes[rows] for codes in self.codes], self.counts[rows])

    def plus(self, other: _Places) -> _Places:
        """These and the `other` ones after them."""
        both = zip(self.codes, other.codes, strict=True)
        codes = [np.asfortranarray(np.concatenate(pair)) for pair in both]
        return _Places(codes, np.concatenate([self.counts, other.counts]))

    def distances(self, other: _Places) -> list[Distances]:
        """In how many codes they differ, and the squares; all are whole, (these, other) each."""
        with np.errstate(invalid="ignore"):  # BLAS may warn of numbers beside those it is given
            product = self.counts @ other.counts.T
        squared = self.squares[:, None] + other.squares - 2 * product
        both = zip(self.codes, other.codes, strict=True)
        return [*(_different(*pair) for pair in both), np.rint(squared).astype(np.int32)]


def _different(first: Distances, second: Distances) -> Distances:
    """(first, second): in how many decisions they differ."""
    total = np.zeros((len(first), len(second)), dtype=np.int16)
    for column, other in zip(first.T, second.T, strict=True):
        total += column[:, None] != other
    return total


class _Kernel:
    """k = sum of w exp(-d / l); `theta` holds the logarithms of (w, ..., l, ..., noise)."""

    def __init__(self, theta: Matrix) -> None:
        self.theta = theta
        self._weights, self._lengths = np.exp(theta[:-1]).reshape(2, -1)
        self.noise = float(np.exp(theta[-1]))
        self.diagonal = float(self._weights.sum())

    def __call__(self, first: _Places, second: _Places) -> Matrix:
        """(first, second): the covariances."""
        parts = zip(self._weights, self._lengths, first.distances(second), strict=True)
        return np.asarray(sum(w * np.exp(-d / length) for w, length, d in parts))


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


def _prior(lengths: Sequence[float]) -> Matrix:
    """The expected parameters: equal weights, these lengths, a little noise."""
    prior: Matrix = np.log(np.array([*[1 / len(lengths)] * len(lengths), *lengths, _NOISE]))
    return prior


def _spread(theta: Matrix) -> Matrix:
    """The prior's deviations, of logarithms: of weights, lengths and noise."""
    kernels = len(theta) // 2
    return np.array([*[1.0] * kernels, *[0.7] * kernels, 1.0])


def _maximise(distances: Sequence[Distances], scores: Matrix, prior: Matrix) -> Matrix:
    """The most probable parameters, by resilient propagation (Igel and Huesken 2003, iRprop-)."""
    theta: Matrix = prior.copy()
    step, before = np.full(len(prior), 0.2), np.zeros(len(prior))
    for _ in range(_STEPS):
        gradient = _gradient(theta, distances, scores) + (theta - prior) / _spread(prior) ** 2
        agrees = gradient * before
        step = np.clip(np.where(agrees > 0, 1.2, np.where(agrees < 0, 0.5, 1.0)) * step, 1e-3, 1.0)
        before = np.where(agrees < 0, 0.0, gradient)
        theta = theta - np.sign(before) * step
        theta[-1] = max(theta[-1], math.log(_LEAST))
    return theta


def _gradient(theta: Matrix, distances: Sequence[Distances], scores: Matrix) -> Matrix:
    """The gradient of the negative log marginal likelihood by `theta` (eq. 5.9)."""
    logs, lengths = theta[:-1].reshape(2, -1)
    lengths, noise = np.exp(lengths), math.exp(theta[-1])
    parts = [np.exp(log - d / n) for log, d, n in zip(logs, distances, lengths, strict=True)]
    inverse = np.linalg.inv(sum(parts) + noise * np.eye(len(scores)))
    weights = inverse @ scores
    outer = (inverse - np.outer(weights, weights)) / 2  # dL/dK
    by_weight = [np.vdot(outer, part) for part in parts]
    by_length = [
        np.vdot(outer, part * d) / length
        for part, d, length in zip(parts, distances, lengths, strict=True)
    ]
    return np.array([*by_weight, *by_length, noise * np.trace(outer)])
