"""What the multi-fidelity strategies share: rungs, draws without repeats, and Hyperband's brackets.

Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization,
AISTATS 2016 (arXiv 1502.07943); Li et al., Hyperband, JMLR 2018 (arXiv 1603.06560), Algorithm 1.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace, at, sample, size
from nascli.core.trial import Proposal, Trial

Rungs = tuple[float, ...]
Fidelities = Sequence[float] | Literal["auto"] | None
Seen = Collection[Genotype]
Draw = Callable[[int], Genotype | None]

_TRIES = 100
_ROUNDING = 1e-9  # 3 * (1/3) has to be 1


def rungs(problem: Problem, reduction: float, lowest: float, fidelities: Fidelities) -> Rungs:
    """The fidelities of the rungs, rising to `problem.fidelity`.

    `fidelities` gives them directly; "auto" takes those that the estimator tells apart, from
    `lowest` on, if there are only so many, as on a table. Without either they are problem.fidelity
    / reduction^k down to `lowest`, each rounded to whole epochs of the recipe, one at least: what a
    rung is charged is what it trains.

    Raises:
        Fault: they do not rise to `problem.fidelity`, or the numbers make no sense.
    """
    full = problem.fidelity
    if isinstance(fidelities, str):
        if fidelities != "auto":
            raise Fault(unknown("fidelities", fidelities, ("auto", "null", "a list")))
        known = [share for share in problem.fidelities if lowest <= share <= full]
        fidelities = known if full in known else None
    if fidelities is not None:
        given = tuple(map(float, fidelities))
        rising = all(low < high for low, high in pairwise(given))
        if not given or given[0] <= 0 or not rising or given[-1] != full:
            raise Fault(
                f"fidelities is {list(given)}; it must rise from above 0 to fidelity={full:g}"
            )
        return given
    if not 1 < reduction < math.inf:
        raise Fault(f"reduction is {reduction}; it must be above 1")
    if not 0 < lowest <= full:
        raise Fault(f"lowest is {lowest}; it must be above 0 and at most fidelity={full:g}")
    steps = math.floor(math.log(full / lowest, reduction) + _ROUNDING)
    return _whole([full / reduction**k for k in range(steps, -1, -1)], problem)


def _whole(shares: list[float], problem: Problem) -> Rungs:
    """The shares in whole epochs, each once, if there is a recipe."""
    epochs = getattr(problem.recipe, "epochs", None)
    if epochs is None:
        return tuple(shares)
    whole = sorted({max(1, round(share * epochs)) for share in shares[:-1]})
    full = shares[-1]
    return (*(n / epochs for n in whole if n / epochs < full), full)


def kept(count: int, low: float, high: float) -> int:
    """How many of `count` trials go from fidelity `low` on to `high`: both get the same budget."""
    return math.floor(count * low / high + _ROUNDING)


def bracket_sizes(fidelities: Rungs) -> list[list[int]]:
    """Hyperband's n_i for s = s_max .. 0 (Algorithm 1), eta^i being the quotient of two rungs.

    n = ceil((s_max + 1) / (s + 1) * eta^s), n_i = floor(n * eta^-i). For R = 81 and eta = 3 that is
    n = 81, 34, 15, 8, 5. The paper's own Table 1 says 81, 27, 9, 6, 5: it rounds the quotient
    (s_max + 1) / (s + 1) down first, which Algorithm 1 does not.
    """
    count, full = len(fidelities), fidelities[-1]
    sizes = []
    for start, low in enumerate(fidelities):
        # Algorithm 1, line 2, with s = count - start - 1; full / low stands for eta^s
        n = math.ceil(count / (count - start) * full / low - _ROUNDING)
        # Algorithm 1, line 5: n_i = floor(n * eta^-i)
        sizes.append([kept(n, low, high) for high in fidelities[start:]])
    return sizes


def draw(space: SearchSpace, rng: random.Random, seen: Seen) -> Genotype | None:
    """A genotype, uniform among those not in `seen`; None when there is no other."""
    whole = size(space)
    if len(seen) >= whole:
        return None
    for _ in range(_TRIES):
        genotype = sample(space, rng)
        if genotype not in seen:
            return genotype
    start = rng.randrange(whole)  # nearly all are seen: looking at each costs no more than they did
    rest = (at(space, (start + n) % whole) for n in range(whole))
    return next((genotype for genotype in rest if genotype not in seen), None)


@dataclass
class Bracket:
    """One run of successive halving: a rung is complete before the next one begins.

    `wanted` trials make the present rung, at `level`; `queue` are those that may still be promoted
    to it, the best last; `first` is the size that the first rung came to have, None while it fills.
    """

    start: int
    level: int
    wanted: int
    first: int | None = None
    queue: list[Genotype] = field(default_factory=list)
    open: list[Genotype] = field(default_factory=list)
    ended: list[tuple[float, Genotype]] = field(default_factory=list)

    def next(self, drawn: Draw) -> Genotype | None:
        """The next genotype to try at `level`; None if the rung is full or waits."""
        if len(self.open) + len(self.ended) >= self.wanted:
            return None
        if self.level == self.start:
            genotype = drawn(self.level)
        else:
            genotype = self.queue.pop() if self.queue else None
        if genotype is None:
            self.wanted = len(self.open) + len(self.ended)
        else:
            self.open.append(genotype)
        return genotype

    def climb(self, fidelities: Rungs) -> bool:
        """Goes to the next rung if this one is complete; False when the bracket is over."""
        if self.open or len(self.ended) < self.wanted:
            return True
        if self.first is None:
            self.first = len(self.ended)
        # Algorithm 1, line 8: the best floor(n_i / eta) go on
        good = sorted((e for e in self.ended if e[0] < math.inf), key=lambda e: e[0])
        if self.level + 1 == len(fidelities) or not good:
            return False
        self.level += 1
        # a bracket that the space could not fill is smaller, but its best one still gets to the top
        size_here = kept(self.first, fidelities[self.start], fidelities[self.level])
        self.wanted = min(len(good), max(1, size_here))
        self.queue = [genotype for _, genotype in reversed(good)]
        self.ended = []
        return True


class Brackets:
    """Hyperband's brackets, from the one with the most rungs to plain search, and round again.

    A rung waits for its last trials; meanwhile the next bracket begins. An infeasible trial leaves
    its place to another genotype (to the next best where it had been promoted); a failed one keeps
    its place and is never promoted. `drawn(level)` gives a genotype not yet tried at that rung, or
    None; when it gives none for every rung, there are no more brackets.
    """

    def __init__(self, problem: Problem, fidelities: Rungs, drawn: Draw) -> None:
        self._problem, self._rungs, self._drawn = problem, fidelities, drawn
        self._sizes = bracket_sizes(fidelities)
        self._begun = 0
        self._active: list[Bracket] = []
        self.seen: list[dict[Genotype, None]] = [{} for _ in fidelities]

    def ask(self, limit: int) -> list[Proposal]:
        """What the oldest bracket needs first; a new bracket once the others wait."""
        proposals: list[Proposal] = []
        fruitless = 0
        while len(proposals) < limit:
            found = self._next()
            if found is not None:
                proposals.append(found)
                fruitless = 0
            elif fruitless < len(self._rungs):
                self._begin()
                fruitless += 1
            else:
                break
        return proposals

    def _next(self) -> Proposal | None:
        for bracket in list(self._active):
            while True:
                genotype = bracket.next(self._drawn)
                if genotype is not None:
                    self.seen[bracket.level][genotype] = None
                    return Proposal(genotype, self._rungs[bracket.level])
                level = bracket.level
                if not bracket.climb(self._rungs):
                    self._active.remove(bracket)
                if bracket.level == level:
                    break
        return None

    def _begin(self) -> None:
        start = self._begun % len(self._rungs)
        self._begun += 1
        self._active.append(Bracket(start, start, self._sizes[start][0]))

    def tell(self, trial: Trial) -> None:
        """Books the trial in the bracket that waits for it; one that none waits for is left out."""
        for bracket in self._active:
            if self._rungs[bracket.level] == trial.fidelity and trial.genotype in bracket.open:
                bracket.open.remove(trial.genotype)
                if trial.infeasible is None:
                    bracket.ended.append((self._problem.goal.loss(trial), trial.genotype))
                return

    def state_dict(self) -> dict[str, Any]:
        """The brackets under way, and what has been proposed at which rung."""
        return {
            "begun": self._begun,
            "seen": [[genotype.to_json() for genotype in rung] for rung in self.seen],
            "active": [_to_state(bracket) for bracket in self._active],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._begun = int(state["begun"])
        self.seen = [dict.fromkeys(map(Genotype.from_json, rung)) for rung in state["seen"]]
        self._active = [_from_state(bracket) for bracket in state["active"]]


def _to_state(bracket: Bracket) -> dict[str, Any]:
    return {
        "start": bracket.start,
        "level": bracket.level,
        "wanted": bracket.wanted,
        "first": bracket.first,
        "queue": [genotype.to_json() for genotype in bracket.queue],
        "open": [genotype.to_json() for genotype in bracket.open],
        "ended": [(loss, genotype.to_json()) for loss, genotype in bracket.ended],
    }


def _from_state(state: dict[str, Any]) -> Bracket:
    return Bracket(
        int(state["start"]),
        int(state["level"]),
        int(state["wanted"]),
        state["first"],
        [Genotype.from_json(genotype) for genotype in state["queue"]],
        [Genotype.from_json(genotype) for genotype in state["open"]],
        [(float(loss), Genotype.from_json(genotype)) for loss, genotype in state["ended"]],
    )
