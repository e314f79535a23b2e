"""Local search: from a genotype to a better one that differs in one decision, and again.

White, Nolen and Savani, Exploring the Loss Landscape in Neural Architecture Search, UAI 2021
(arXiv 2005.02960).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.space import mutate, neighbours, sample
from nascli.core.trial import History, Proposal, Trial

_MOVES = ("first", "best")
Rank = tuple[float, float]
_BEST, _WORST = (0.0, -math.inf), (math.inf, math.inf)
_TRIES = 100


class LocalSearch:
    """Hill climbing with restarts near the best summit (or from random genotypes).

    Neighbours are tried in random order. `move="first"` goes to the first better one, as soon as it
    is found (first improvement); `move="best"` tries all of them before it goes to the best, as in
    the paper's Algorithm 1. Where no neighbour is better the climb ends and another one starts.

    Departure: the paper starts every climb from a random genotype. Here only the first one does;
    the others start from the best summit so far with `kick` decisions changed (iterated local
    search, Lourenco, Martin and Stuetzle 2003). A climb starts from a genotype that is new, and
    leaves out neighbours that are known from an earlier climb and no better. Under constraints a
    genotype that breaks them less is a better one, so that a climb finds its way to those that keep
    them.

    Args:
        problem: what is searched for.
        move: "first" or "best".
        kick: changes of one decision that lead from the best summit to the next start; 0 for random
            starts.
    """

    def __init__(
        self, problem: Problem, move: Literal["first", "best"] = "first", kick: int = 3
    ) -> None:
        if move not in _MOVES:
            raise Fault(unknown("move", move, _MOVES))
        if kick < 0:
            raise Fault(f"kick is {kick}; it must be at least 0")
        self._kick = kick
        self._problem = problem
        self._greedy = move == "first"
        self._rng = generator(problem.seed, "local_search")
        self._known: dict[Genotype, Rank] = {}
        self._rank = _WORST  # of the genotype whose neighbours are being tried
        self._here: Genotype | None = None  # that genotype
        self._summit: tuple[Rank, Genotype] | None = None  # the best place where a climb has ended
        self._restart()

    def _restart(self) -> None:
        if self._here is not None and (self._summit is None or self._rank < self._summit[0]):
            self._summit = self._rank, self._here
        self._here, self._rank = None, _WORST
        self._untried: list[Genotype] = [self._start()]
        self._open = 0  # proposals that no trial has answered yet
        self._best: tuple[Rank, Genotype] | None = None  # of those, the best better one

    def _start(self) -> Genotype:
        """Where the next climb starts: somewhere new, if that is found soon."""
        space, rng = self._problem.space, self._rng
        for _ in range(_TRIES):
            if self._summit and self._kick:
                genotype = self._summit[1]
                for _ in range(self._kick):
                    genotype = mutate(space, genotype, rng)
            else:
                genotype = sample(space, rng)
            if genotype not in self._known:
                return genotype
        return sample(space, rng)

    def ask(self, limit: int) -> Sequence[Proposal]:
        """Neighbours not yet tried; a new start once a climb has ended."""
        if not self._untried and not self._open:
            self._restart()
        taken = [self._untried.pop() for _ in range(min(limit, len(self._untried)))]
        self._open += len(taken)
        return [Proposal(genotype, self._problem.fidelity) for genotype in taken]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Moves to a better genotype, at once or when all neighbours are known (Algorithm 1)."""
        for trial in trials:
            self._open -= 1
            rank = self._known[trial.genotype] = self._problem.goal.rank(trial)
            if rank < (self._best[0] if self._best else self._rank):
                self._best = rank, trial.genotype
            if self._best and (self._greedy or not (self._untried or self._open)):
                self._move(*self._best)

    def _move(self, rank: Rank, genotype: Genotype) -> None:
        self._here, self._rank, self._best = genotype, rank, None
        around = neighbours(self._problem.space, genotype)
        self._untried = [near for near in around if self._known.get(near, _BEST) < rank]
        self._rng.shuffle(self._untried)

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype, of whatever climb."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """Where the climb stands, and the random state."""
        return {
            "rank": self._rank,
            "here": self._here.to_json() if self._here else None,
            "summit": _packed(self._summit),
            "untried": [genotype.to_json() for genotype in self._untried],
            "open": self._open,
            "best": _packed(self._best),
            "known": [(genotype.to_json(), *rank) for genotype, rank in self._known.items()],
            "rng": self._rng.getstate(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._rank, self._open = _rank(state["rank"]), int(state["open"])
        self._untried = [Genotype.from_json(genotype) for genotype in state["untried"]]
        self._best, self._summit = _unpacked(state["best"]), _unpacked(state["summit"])
        self._here = Genotype.from_json(state["here"]) if state["here"] else None
        self._known = {Genotype.from_json(g): _rank(rank) for g, *rank in state["known"]}
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))


def _packed(found: tuple[Rank, Genotype] | None) -> tuple[Rank, object] | None:
    return (found[0], found[1].to_json()) if found else None


def _unpacked(data: Any) -> tuple[Rank, Genotype] | None:
    return (_rank(data[0]), Genotype.from_json(data[1])) if data else None


def _rank(values: Sequence[float]) -> Rank:
    violation, loss = map(float, values)
    return violation, loss
