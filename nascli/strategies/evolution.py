"""Regularized evolution: the oldest leaves.

Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019
(arXiv 1802.01548), Algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.space import crossover, mutate, sample
from nascli.core.trial import History, Proposal, Trial


class _Member(NamedTuple):
    genotype: Genotype
    rank: tuple[float, float]  # how far it breaks constraints, and its loss


_rank = attrgetter("rank")
_DRAWS = 20  # random genotypes a place in the population, at most
_FURTHER = 4  # more mutations of a child that breaks constraints, at most


class Evolution:
    """Tournament selection, one mutation a child, and the oldest member dies.

    Departure, for constraints: where some random genotypes keep them, more are drawn until as many
    do as the population has places, at most 20 a place (those that do not are never trained), for
    a handful of founders would have all others for children. Among members that break constraints
    the one that does so less wins a tournament, and loses to any that keeps them. Once there is one
    that keeps them, those that do not are the first to leave, the worst before the others, and no
    more of them enter. So a population that starts outside finds its way in. A child that breaks
    them then is mutated once more, up to four times, for along a bound the way to a better one
    often takes two mutations: one that costs more, and one that gives it back.

    Args:
        problem: what is searched for.
        population: P of the paper, members alive at a time.
        tournament: S of the paper, members drawn (with replacement) to pick one parent.
        crossover: chance that a child has two parents; each decision comes from either one, and one
            mutation follows as ever. The paper has none: 0.
        aging: False is the plain, non-aging variant of the paper's section 5: the worst dies.
    """

    def __init__(
        self,
        problem: Problem,
        population: int = 50,
        tournament: int = 10,
        crossover: float = 0.0,
        aging: bool = True,
    ) -> None:
        if population < 1:
            raise Fault(f"population is {population}; it must be at least 1")
        if not 1 <= tournament <= population:
            raise Fault(f"tournament is {tournament}; it must be from 1 to population={population}")
        if not 0 <= crossover <= 1:
            raise Fault(f"crossover is {crossover}; it must be from 0 to 1")
        self._problem = problem
        self._tournament = tournament
        self._capacity = population
        self._crossover = crossover
        self._aging = aging
        self._rng = generator(problem.seed, "evolution")
        self._alive: list[_Member] = []  # oldest first
        self._outside = 0  # how many of them break a constraint, or failed
        self._draws = 0
        self._astray: Genotype | None = None  # the last child, if it is to be mutated once more
        self._further = 0  # how many such there have been in a row

    @property
    def founders(self) -> tuple[str, int]:
        """See `nascli.core.strategy.Founded`."""
        return "population", self._capacity

    def ask(self, limit: int) -> Sequence[Proposal]:
        """Random genotypes until the population is full, of feasible ones if any; then children."""
        fidelity = self._problem.fidelity
        return [Proposal(self._propose(), fidelity) for _ in range(min(limit, self._capacity))]

    def _propose(self) -> Genotype:
        if self._founding():
            self._draws += 1
            return sample(self._problem.space, self._rng)  # Algorithm 1, the first loop
        astray, self._astray = self._astray, None
        child = astray or self._parent()
        if not astray and self._crossover and self._rng.random() < self._crossover:
            child = crossover(child, self._parent(), self._rng)
        return mutate(self._problem.space, child, self._rng)  # Algorithm 1: MUTATE(parent.arch)

    def _founding(self) -> bool:
        """Whether places are free, or only some members keep the constraints and draws are left."""
        if len(self._alive) < self._capacity:
            return True
        if not self._problem.goal.constraints or self._draws >= _DRAWS * self._capacity:
            return False
        broken = [member.rank[0] for member in self._alive]
        return 0 in broken and any(0 < by < math.inf for by in broken)

    def _parent(self) -> Genotype:
        # Algorithm 1: a sample of S members with replacement, and its best
        entrants = self._rng.choices(self._alive, k=self._tournament)
        return min(entrants, key=_rank).genotype

    def tell(self, trials: Sequence[Trial]) -> None:
        """Adds the newcomers; one member leaves for each, once the population is full."""
        for trial in trials:
            # Algorithm 1: the child enters on the right, the dead one leaves on the left
            child = _Member(trial.genotype, self._problem.goal.rank(trial))
            self._alive.append(child)
            self._outside += child.rank[0] > 0
            if len(self._alive) > self._capacity:
                self._outside -= self._alive.pop(self._leaving()).rank[0] > 0
            goes_on = self._further < _FURTHER and self._is_astray(child)
            self._further = self._further + 1 if goes_on else 0
            self._astray = child.genotype if goes_on else None

    def _is_astray(self, child: _Member) -> bool:
        """Whether a child breaks constraints, where the population keeps them."""
        breaks, some_keep = 0 < child.rank[0] < math.inf, self._outside < len(self._alive)
        return breaks and some_keep and not self._founding()

    def _leaving(self) -> int:
        """The oldest (or the worst); from a population that is half outside, the farthest out."""
        if self._aging and not 0 < self._outside < len(self._alive):
            return 0
        return self._alive.index(max(self._alive, key=_rank))

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype, dead or alive."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """The population, the child that is mutated once more, and the random state."""
        alive = [(member.genotype.to_json(), *member.rank) for member in self._alive]
        return {
            "alive": alive,
            "draws": self._draws,
            "astray": self._astray and self._astray.to_json(),
            "further": self._further,
            "rng": self._rng.getstate(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._alive = [
            _Member(Genotype.from_json(genotype), (float(violation), float(loss)))
            for genotype, violation, loss in state["alive"]
        ]
        self._outside = sum(member.rank[0] > 0 for member in self._alive)
        # of a version before: the first loop was at its end when the population was full
        self._draws = state.get("draws", _DRAWS * self._capacity)
        astray = state.get("astray")
        self._astray, self._further = astray and Genotype.from_json(astray), state.get("further", 0)
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))
