"""Train a few, predict the rest: a surrogate says which genotypes are worth a trial.

White, Neiswanger and Savani, BANANAS, AAAI 2021 (arXiv 1910.11858), Algorithm 1; Wen et al., Neural
Predictor for Neural Architecture Search, ECCV 2020 (arXiv 1912.00848).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core import protocols
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.space import mutate, sample, size
from nascli.core.surrogate import Surrogate, normal_scores, predicted
from nascli.core.trial import History, Proposal, Trial
from nascli.strategies.acquisition import Acquisition

_TRIES = 100  # draws for one genotype that has not been proposed
_TARGETS = ("ranks", "values")

Values = NDArray[np.float64]


class Predictor:
    """Random genotypes first, then those that a surrogate of all good trials makes worth trying.

    No genotype is proposed twice. In a space of up to `whole` genotypes every one is a candidate;
    in a larger one, new ones are drawn for each fit: random ones, and mutations of the best trials
    (one decision changed, and each further one with chance 1/2). A share of these start from the
    canonical form of a trial's genotype: where a space numbers its nodes, what is one step away in
    one spelling of a cell may be many in another.

    Failed and infeasible trials teach the surrogate nothing. What a constraint bounds is predicted
    by a surrogate of its own, from all trials that measured it; only candidates that it expects to
    keep all bounds are compared, or else the one that breaks them least is tried.

    Departure from BANANAS: as shipped a Gaussian process predicts, its upper bound on each
    candidate decides, and it is fitted after every trial; the preset `bananas` follows the paper.

    Args:
        problem: what is searched for.
        surrogate: `surrogate(space, seed)` gives what predicts.
        acquisition: "bound", "improvement", "thompson" or "mean" (see `acquisition`).
        kappa: deviations that count for `acquisition="bound"`.
        targets: "ranks" (as normal scores) or "values": what the surrogate is fitted on.
        initial: random genotypes before the first fit.
        batch: proposals between two fits.
        whole: the largest space in which all genotypes are candidates.
        uniform: candidates drawn uniformly in a larger space.
        mutations: candidates there that are mutations of the best trials.
        parents: how many of the best trials are mutated.
        from_canonical: share of the mutations that start from the canonical form.
    """

    def __init__(
        self,
        problem: Problem,
        surrogate: Callable[..., Surrogate],
        acquisition: str = "bound",
        kappa: float = 2.0,
        targets: str = "ranks",
        initial: int = 10,
        batch: int = 1,
        whole: int = 50_000,
        uniform: int = 1000,
        mutations: int = 1000,
        parents: int = 10,
        from_canonical: float = 0.0,
    ) -> None:
        if targets not in _TARGETS:
            raise Fault(unknown("targets", targets, _TARGETS))
        _check(1, initial=initial, batch=batch, parents=parents)
        _check(0, whole=whole, uniform=uniform, mutations=mutations)
        if uniform + mutations < 1:
            raise Fault("uniform and mutations are both 0; a large space needs candidates")
        if not 0 <= from_canonical <= 1:
            raise Fault(f"from_canonical is {from_canonical}; it must be from 0 to 1")
        self._problem = problem
        self._build = protocols.check(surrogate, Surrogate, "surrogate")
        self._acquisition = Acquisition(acquisition, kappa)
        self._ranked = targets == "ranks"
        self._initial, self._batch = initial, batch
        self._pools = _Pools(problem, whole, (uniform, mutations, parents), from_canonical)
        self._rng = generator(problem.seed, "predictor")
        self._surrogates: dict[str, Surrogate] = {}  # "" predicts the objective, others a cost
        self._trials: list[Trial] = []
        self._open: dict[Genotype, None] = {}  # proposed and not told of, in order
        self._queue: list[Genotype] = []  # of the last fit's batch, not yet proposed

    @property
    def founders(self) -> tuple[str, int]:
        """See `nascli.core.strategy.Founded`."""
        return "initial", self._initial

    def ask(self, limit: int) -> Sequence[Proposal]:
        """Random genotypes, then the most promising; fewer than `limit` in a used-up space."""
        proposals: list[Proposal] = []
        while len(proposals) < limit:
            if not self._queue:
                self._queue = self._chosen()
            if not self._queue:
                break
            genotype = self._queue.pop(0)
            self._open[genotype] = None
            proposals.append(Proposal(genotype, self._problem.fidelity))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Keeps the trials for the next fit."""
        for trial in trials:
            self._open.pop(trial.genotype, None)
            self._trials.append(trial)

    def _chosen(self) -> list[Genotype]:
        """The next batch."""
        seen = {*self._open, *(trial.genotype for trial in self._trials)}
        chosen: list[Genotype] = []
        if len(seen) < self._initial:
            chosen = self._pools.drawn(1, seen, self._rng)
        elif self._learn():
            good = sorted(self._good(), key=self._problem.goal.loss)
            pool, free = self._pools.candidates(good, seen, self._rng)
            while len(chosen) < self._batch and free.any():
                best = int(np.argmax(np.where(free, self._worth(pool, chosen), -math.inf)))
                free[best] = False
                chosen.append(pool[best])
        return chosen or self._pools.drawn(1, seen, self._rng)

    def _good(self) -> list[Trial]:
        return [trial for trial in self._trials if self._problem.goal.loss(trial) < math.inf]

    def _learn(self) -> bool:
        """Fits a surrogate to the objective and one to each bounded metric; False without data.

        Raises:
            OutOfTime: the budget's time is over; nothing was fitted.
        """
        self._problem.budget.check()
        good = self._good()
        if good:
            values = np.array([-self._problem.goal.loss(trial) for trial in good])
            self._values = normal_scores(values) if self._ranked else values
            self._surrogate("").fit([trial.genotype for trial in good], self._values)
        self._bounds = {}
        for constraint in self._problem.goal.constraints:
            metric = constraint.metric
            told = [trial for trial in self._trials if metric in trial.metrics]
            if told:
                self._bounds[metric] = constraint.maximum
                costs = np.array([trial.metrics[metric] for trial in told])
                self._surrogate(metric).fit([trial.genotype for trial in told], costs)
        return bool(good or self._bounds)

    def _surrogate(self, metric: str) -> Surrogate:
        if metric not in self._surrogates:
            self._surrogates[metric] = self._build(self._problem.space, self._problem.seed)
        return self._surrogates[metric]

    def _worth(self, pool: tuple[Genotype, ...], chosen: Sequence[Genotype]) -> Values:
        """What trying each of the pool is worth, given what is under way."""
        draws = np.random.default_rng(self._rng.getrandbits(64))
        worth = draws.random(len(pool))  # until something good is known, any will do
        if self._good():
            pending = [*self._open, *chosen]
            means, deviations = predicted(self._surrogate(""), pool, pending)
            worth = self._acquisition(means, deviations, float(self._values.max()), draws)
        excess = np.zeros(len(pool))
        for metric, maximum in self._bounds.items():
            costs, _ = predicted(self._surrogate(metric), pool)
            excess += np.maximum(0.0, costs / maximum - 1)
        return np.where(excess > 0, worth.min() - 1 - excess, worth)

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype: predictions are no answer."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """The trials, what is under way, the surrogates' own state and the random state."""
        return {
            "trials": [trial.to_json() for trial in self._trials],
            "open": [genotype.to_json() for genotype in self._open],
            "queue": [genotype.to_json() for genotype in self._queue],
            "surrogates": {name: s.state_dict() for name, s in self._surrogates.items()},
            "rng": self._rng.getstate(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._trials = [Trial.from_json(trial) for trial in state["trials"]]
        self._open = dict.fromkeys(Genotype.from_json(genotype) for genotype in state["open"])
        self._queue = [Genotype.from_json(genotype) for genotype in state["queue"]]
        for name, inner in state["surrogates"].items():
            self._surrogate(name).load_state_dict(inner)
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))


class _Pools:
    """Where proposals come from."""

    def __init__(
        self, problem: Problem, whole: int, drawn: tuple[int, int, int], from_canonical: float
    ) -> None:
        self._space = problem.space
        self._whole = size(problem.space) <= whole
        self._uniform, self._mutations, self._parents = drawn
        self._from_canonical = from_canonical

    def drawn(self, count: int, seen: set[Genotype], rng: random.Random) -> list[Genotype]:
        """At most `count` random genotypes, none of them seen before nor equal to another."""
        found: dict[Genotype, None] = {}
        for _ in range(_TRIES * count):
            genotype = sample(self._space, rng)
            if genotype not in seen:
                found[genotype] = None
            if len(found) == count:
                break
        if not found and self._whole:  # nearly all have been seen
            left = [genotype for genotype in self._all() if genotype not in seen]
            return rng.sample(left, min(count, len(left)))
        return list(found)

    def candidates(
        self, good: Sequence[Trial], seen: set[Genotype], rng: random.Random
    ) -> tuple[tuple[Genotype, ...], NDArray[np.bool_]]:
        """A pool of candidates and which of them are free to be proposed; `good`: best first."""
        if self._whole:
            free = np.ones(size(self._space), dtype=bool)
            free[[self._number(genotype) for genotype in seen]] = False
            return self._all(), free
        found = dict.fromkeys(self.drawn(self._uniform, seen, rng))
        parents = [trial.genotype for trial in good[: self._parents]]
        for _ in range(self._mutations if parents else 0):
            parent = rng.choice(parents)
            if self._from_canonical and rng.random() < self._from_canonical:
                parent = self._space.canonical(parent)
            child = mutate(self._space, parent, rng)
            while rng.random() < 0.5:
                child = mutate(self._space, child, rng)
            if child not in seen:
                found[child] = None
        return tuple(found), np.ones(len(found), dtype=bool)

    def _all(self) -> tuple[Genotype, ...]:
        return _everything(self._space.name, tuple(self._space.decisions.items()))

    def _number(self, genotype: Genotype) -> int:
        """The inverse of `at`."""
        number = 0
        for options, option in zip(self._space.decisions.values(), genotype.options, strict=True):
            number = number * len(options) + options.index(option)
        return number


@lru_cache(maxsize=1)
def _everything(
    name: str, decisions: tuple[tuple[str, tuple[str, ...]], ...]
) -> tuple[Genotype, ...]:
    """All genotypes of the space called `name`, in the order of their numbers."""
    names = tuple(decision for decision, _ in decisions)
    options = itertools.product(*(allowed for _, allowed in decisions))
    return tuple(Genotype(name, names, chosen) for chosen in options)


def _check(least: int, **values: int) -> None:
    for name, value in values.items():
        if value < least:
            raise Fault(f"{name} is {value}; it must be at least {least}")
