"""NSGA-II: evolution towards a front of several objectives.

Deb, Pratap, Agarwal and Meyarivan, A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II,
IEEE Transactions on Evolutionary Computation 2002; in architecture search Lu et al., NSGA-Net, 2019
(arXiv 1810.03522).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.pareto import crowding, fronts
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.space import crossover, mutate, sample
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial

_TRIES = 100


@dataclass(slots=True)
class _Member:
    """One survivor: how good it is, and where the last selection placed it."""

    genotype: Genotype
    violation: float
    losses: tuple[float, ...]
    rank: int = 0
    crowding: float = math.inf


class NSGA2:
    """Survival by non-domination and crowding, parents by binary tournaments on the same.

    Constraints follow the paper's section VI: less violation goes first, whatever the losses.

    Departures: steady state, so that several workers never wait for a generation: whenever
    `offspring` trials have ended, they and the population are cut back to `population` members;
    until then parents come from the last cut. A child equal to a genotype proposed before is drawn
    again, a random one after 100 of them. Members with the same losses crowd each other out.

    Args:
        problem: what is searched for; with one objective the order is that of its loss.
        population: members that survive.
        offspring: trials between two selections.
        crossover: chance that a child has two parents; each decision comes from either one.
        mutations: decisions that are changed in every child, on average; at least one.
    """

    traits = Traits(several_objectives=True)

    def __init__(
        self,
        problem: Problem,
        population: int = 40,
        offspring: int = 10,
        crossover: float = 0.5,
        mutations: float = 1.0,
    ) -> None:
        for name, value in (("population", population), ("offspring", offspring)):
            if value < 1:
                raise Fault(f"{name} is {value}; it must be at least 1")
        if not 0 <= crossover <= 1:
            raise Fault(f"crossover is {crossover}; it must be from 0 to 1")
        if mutations < 1:
            raise Fault(f"mutations is {mutations}; it must be at least 1")
        self._problem = problem
        self._population, self._offspring = population, offspring
        self._crossover, self._mutations = crossover, mutations
        self._rng = generator(problem.seed, "nsga2")
        self._members: list[_Member] = []
        self._newcomers: list[_Member] = []
        self._seen: set[Genotype] = set()

    @property
    def founders(self) -> tuple[str, int]:
        """See `nascli.core.strategy.Founded`."""
        return "population", self._population

    def ask(self, limit: int) -> Sequence[Proposal]:
        """Random genotypes for the first population, then children."""
        return [self._new() for _ in range(min(limit, self._population))]

    def _new(self) -> Proposal:
        for _ in range(_TRIES):
            genotype = self._child() if self._members else self._drawn()
            if genotype not in self._seen:
                break
        else:
            genotype = self._drawn()
        self._seen.add(genotype)
        return Proposal(genotype, self._problem.fidelity)

    def _drawn(self) -> Genotype:
        return sample(self._problem.space, self._rng)

    def _child(self) -> Genotype:
        rng, space = self._rng, self._problem.space
        child = self._parent()
        crossed = rng.random() < self._crossover
        if crossed:
            child = crossover(child, self._parent(), rng)
        changes = int(self._mutations) + (rng.random() < self._mutations % 1)
        for _ in range(changes):
            child = mutate(space, child, rng)
        return child

    def _parent(self) -> Genotype:
        """The better of two members drawn at random: lower front, then less crowded.

        A binary tournament by the crowded-comparison operator of section III-B.
        """
        pair = self._rng.choices(self._members, k=2)
        return min(pair, key=lambda member: (member.rank, -member.crowding)).genotype

    def tell(self, trials: Sequence[Trial]) -> None:
        """Takes newcomers in; selects when there are enough of them."""
        problem = self._problem
        for trial in trials:
            if trial.error is None:
                violation, losses = problem.goal.violation(trial), problem.goal.losses(trial)
                self._newcomers.append(_Member(trial.genotype, violation, losses))
        wanted = self._offspring if self._members else self._population
        if len(self._newcomers) >= wanted:
            self._select()

    def _select(self) -> None:
        """Cuts population and newcomers back, front by front; the last one by crowding.

        The main loop of section III-C.
        """
        pool = self._members + self._newcomers
        self._newcomers = []
        self._members = []
        for rank, front in enumerate(_constrained_fronts(pool)):  # section III-A
            if len(self._members) >= self._population:
                break
            distances = crowding([member.losses for member in front])  # section III-B
            for member, distance in zip(front, distances, strict=True):
                member.rank, member.crowding = rank, distance
            front.sort(key=lambda member: -member.crowding)
            self._members += front[: self._population - len(self._members)]

    def recommend(self, history: History) -> Genotype | None:
        """The best trial in the first objective; the front is in the history."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """Members, newcomers, all that was proposed, and the random state."""
        return {
            "members": [_packed(member) for member in self._members],
            "newcomers": [_packed(member) for member in self._newcomers],
            "seen": [genotype.options for genotype in self._seen],
            "rng": self._rng.getstate(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._members = [_unpacked(*values) for values in state["members"]]
        self._newcomers = [_unpacked(*values) for values in state["newcomers"]]
        space = self._problem.space
        names = tuple(space.decisions)
        self._seen = {Genotype(space.name, names, tuple(o)) for o in state["seen"]}
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))


def _constrained_fronts(pool: Sequence[_Member]) -> list[list[_Member]]:
    """The fronts of those that keep the constraints, then the others, least violation first.

    Constrained domination, section VI.
    """
    good = [member for member in pool if member.violation == 0]
    found = [[good[i] for i in front] for front in fronts([m.losses for m in good])]
    rest = sorted((m for m in pool if m.violation > 0), key=lambda m: m.violation)
    return found + [[member] for member in rest]


def _packed(member: _Member) -> tuple[Any, ...]:
    genotype = member.genotype.to_json()
    return genotype, member.violation, list(member.losses), member.rank, member.crowding


def _unpacked(genotype: object, violation: float, losses: Any, rank: int, crowd: float) -> _Member:
    return _Member(Genotype.from_json(genotype), violation, tuple(losses), rank, crowd)
