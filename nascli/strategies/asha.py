"""ASHA: successive halving that promotes as soon as it can, without waiting for a rung to fill.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv 1810.05934),
Algorithm 2.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial
from nascli.strategies.halving import Fidelities, draw, kept, rungs

Entry = tuple[float, int]  # the loss, and the number of the genotype


@dataclass
class Rung:
    """The trials of one fidelity, best first, and a heap of those that may still be promoted."""

    ended: list[Entry] = field(default_factory=list)
    waiting: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Books a trial; a failed one (loss +inf) counts but waits for nothing."""
        insort(self.ended, entry)
        if entry[0] < math.inf:
            heapq.heappush(self.waiting, entry)

    def promoted(self, best: int) -> int | None:
        """Takes the best one that waits, if it is among the `best` first of the rung."""
        if self.waiting and bisect_left(self.ended, self.waiting[0]) < best:
            return heapq.heappop(self.waiting)[1]
        return None


class ASHA:
    """A worker that is free takes the highest possible promotion, or else a new genotype.

    A genotype is promoted if it is among the best 1/eta of the trials that its rung has so far.
    Infeasible trials enter no rung; failed ones count in theirs and are never promoted.

    Departures: genotypes are drawn without repeats; when a small space has no new one left, the
    best of the highest rung goes on regardless of 1/eta. The minimum early-stopping rate s is 0:
    `lowest` says the same.

    Args:
        problem: what is searched for; its `fidelity` is R of the paper.
        reduction: eta of the paper, how much more each rung trains and how many fewer it keeps.
        lowest: the least share of the recipe that a trial may get; r of the paper is the lowest
            problem.fidelity / eta^k above it.
        fidelities: the rungs themselves, rising to `problem.fidelity`, in place of `reduction` and
            `lowest`; eta is then the quotient of neighbours.
    """

    traits = Traits(several_fidelities=True)

    def __init__(
        self,
        problem: Problem,
        reduction: float = 4,
        lowest: float = 0.06,
        fidelities: Fidelities = None,
    ) -> None:
        self._problem = problem
        self._fidelities = rungs(problem, reduction, lowest, fidelities)
        self._level = {fidelity: level for level, fidelity in enumerate(self._fidelities)}
        self._rng = generator(problem.seed, "asha")
        self._rungs = [Rung() for _ in self._fidelities]
        self._number: dict[Genotype, int] = {}  # of all that were drawn
        self._drawn: list[Genotype] = []

    def ask(self, limit: int) -> Sequence[Proposal]:
        """Promotions and new genotypes; none when the whole space has been tried."""
        proposals: list[Proposal] = []
        while len(proposals) < limit:
            proposal = self._promotion() or self._new() or self._promotion(anyway=True)
            if proposal is None:
                break
            proposals.append(proposal)
        return proposals

    def _promotion(self, *, anyway: bool = False) -> Proposal | None:
        """The highest promotion there is: the loop over rungs of Algorithm 2, get_job."""
        for level in range(len(self._rungs) - 2, -1, -1):
            rung, low, high = self._rungs[level], *self._fidelities[level : level + 2]
            count = len(rung.ended)
            # Algorithm 2: top_k of the rung, k = |rung| / eta, of which one is not yet promoted
            number = rung.promoted(count if anyway else kept(count, low, high))
            if number is not None:
                return Proposal(self._drawn[number], high)
        return None

    def _new(self) -> Proposal | None:
        """Algorithm 2, get_job: if nothing can be promoted, a random one for the lowest rung."""
        genotype = draw(self._problem.space, self._rng, self._number)
        if genotype is None:
            return None
        self._numbered(genotype)
        return Proposal(genotype, self._fidelities[0])

    def _numbered(self, genotype: Genotype) -> int:
        number = self._number.setdefault(genotype, len(self._drawn))
        if number == len(self._drawn):
            self._drawn.append(genotype)
        return number

    def tell(self, trials: Sequence[Trial]) -> None:
        """Books the trials in their rungs."""
        for trial in trials:
            if trial.infeasible is None:
                entry = self._problem.goal.loss(trial), self._numbered(trial.genotype)
                self._rungs[self._level[trial.fidelity]].add(entry)

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype at the highest fidelity reached."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """All that was drawn, the rungs, and the random state."""
        return {
            "drawn": [genotype.to_json() for genotype in self._drawn],
            "rungs": [{"ended": [*rung.ended], "waiting": [*rung.waiting]} for rung in self._rungs],
            "rng": self._rng.getstate(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._drawn = [Genotype.from_json(genotype) for genotype in state["drawn"]]
        self._number = {genotype: number for number, genotype in enumerate(self._drawn)}
        self._rungs = [
            Rung([tuple(e) for e in rung["ended"]], [tuple(e) for e in rung["waiting"]])
            for rung in state["rungs"]
        ]
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))
