"""Regularized evolution: the oldest leaves.

Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019
(arXiv 1802.01548), Algorithm 1.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import mutate, sample
from nascli.core.trial import History, Proposal, Trial


class Evolution:
    """Tournament selection, one mutation a child, and the oldest member dies.

    Departure: with a constraint, a random genotype that breaks it does not enter the first
    population and a child that breaks it does not enter at all; both would only be waiting to die.

    Args:
        problem: what is searched for.
        population: P of the paper, members alive at a time.
        tournament: S of the paper, members drawn (with replacement) to pick one parent.
    """

    def __init__(self, problem: Problem, population: int = 50, tournament: int = 10) -> None:
        if population < 1:
            raise Fault(f"population is {population}; it must be at least 1")
        if not 1 <= tournament <= population:
            raise Fault(f"tournament is {tournament}; it must be from 1 to population={population}")
        self._problem = problem
        self._tournament = tournament
        self._capacity = population
        self._rng = random.Random(f"{problem.seed}/evolution")
        self._alive: deque[tuple[Genotype, float]] = deque(maxlen=population)  # oldest first

    def ask(self, limit: int) -> Sequence[Proposal]:
        """Random genotypes until the population is full, then children."""
        fidelity = self._problem.fidelity
        return [Proposal(self._propose(), fidelity) for _ in range(min(limit, self._capacity))]

    def _propose(self) -> Genotype:
        if len(self._alive) < self._capacity:
            return sample(self._problem.space, self._rng)
        entrants = self._rng.choices(self._alive, k=self._tournament)
        parent = min(entrants, key=lambda member: member[1])[0]
        return mutate(self._problem.space, parent, self._rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Adds the newcomers on the right; a full deque drops its oldest on the left."""
        for trial in trials:
            if trial.infeasible is None:
                self._alive.append((trial.genotype, self._problem.loss(trial)))

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype, dead or alive."""
        return history.answer(self._problem)

    def state_dict(self) -> dict[str, Any]:
        """The population and the random state."""
        alive = [(member.to_json(), loss) for member, loss in self._alive]
        return {"alive": alive, "rng": self._rng.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._alive.clear()
        self._alive.extend((Genotype.from_json(member), loss) for member, loss in state["alive"])
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))
