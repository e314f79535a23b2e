"""BOHB: Hyperband whose brackets are filled by a density model of the good genotypes.

Falkner, Klein and Hutter, BOHB: Robust and Efficient Hyperparameter Optimization at Scale, ICML
2018 (arXiv 1807.01774), Algorithm 2; Bergstra et al., Algorithms for Hyper-Parameter Optimization,
NeurIPS 2011 (TPE); Aitchison and Aitken, Biometrika 1976 (the kernel).
"""

from __future__ import annotations

import math
import random
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial
from nascli.strategies.halving import Brackets, Fidelities, draw, rungs

Entry = tuple[float, float, int, tuple[str, ...]]  # violation, loss, order, options


def density(counts: Sequence[int]) -> list[float]:
    """The density of one decision over its options, from how often each was taken.

    The Aitchison-Aitken kernel puts 1 - h on the option itself and h / (k - 1) on each other one.
    The bandwidth here is h = (k - 1) / (n + k), for n points and k options: then the kernels' mean
    is (count + 1) / (n + k), which narrows as points come in and is never 0.
    """
    whole = sum(counts) + len(counts)
    return [(count + 1) / whole for count in counts]


@dataclass
class Model:
    """The good and the bad trials of one fidelity, and the densities of each decision's options."""

    decisions: tuple[tuple[str, ...], ...]
    good_fraction: float
    entries: list[Entry] = field(default_factory=list)  # best first
    feasible: int = 0
    _built: int = 0
    _good: list[list[float]] = field(default_factory=list)  # l(x), by decision and option
    _gain: list[list[float]] = field(default_factory=list)  # log l(x) - log g(x)

    @property
    def least(self) -> int:
        """N_min of the paper, which both groups have at least: decisions + 1."""
        return len(self.decisions) + 1

    @property
    def ready(self) -> bool:
        """Whether there are N_min + 2 trials (Algorithm 2, line 2)."""
        return len(self.entries) >= self.least + 2

    def groups(self) -> tuple[list[Entry], list[Entry]]:
        """The good and the bad (eq. 3 of the paper); at first they overlap.

        The good are a share of the feasible trials alone, so that a narrow constraint does not
        fill them up with infeasible ones; while there are not enough of those, the ones that break
        the constraints least stand in.
        """
        # eq. 3: N_l = max(N_min, q N), N_g = max(N_min, N - N_l)
        good = max(self.least, int(self.good_fraction * self.feasible))
        bad = max(self.least, len(self.entries) - good)
        return self.entries[:good], self.entries[-bad:]

    def add(self, entry: Entry) -> None:
        """Takes one trial more."""
        insort(self.entries, entry)
        self.feasible += entry[1] < math.inf

    def propose(self, rng: random.Random, count: int) -> Iterator[tuple[str, ...]]:
        """`count` draws from the density of the good, the largest l(x) / g(x) first."""
        self._fit()
        columns = [
            rng.choices(range(len(good)), cum_weights=[*accumulate(good)], k=count)
            for good in self._good
        ]
        drawn = dict.fromkeys(zip(*columns, strict=True))
        gains = {
            index: sum(gain[option] for gain, option in zip(self._gain, index, strict=True))
            for index in drawn
        }
        for index in sorted(gains, key=gains.__getitem__, reverse=True):
            yield tuple(o[i] for o, i in zip(self.decisions, index, strict=True))

    def _fit(self) -> None:
        if self._built == len(self.entries):
            return
        self._built = len(self.entries)
        good, bad = self.groups()
        self._good, self._gain = [], []
        for place, options in enumerate(self.decisions):
            likely, unlikely = (self._density(group, place, options) for group in (good, bad))
            self._good.append(likely)
            self._gain.append([math.log(p / q) for p, q in zip(likely, unlikely, strict=True)])

    def _density(self, group: list[Entry], place: int, options: tuple[str, ...]) -> list[float]:
        taken = [entry[3][place] for entry in group]
        return density([taken.count(option) for option in options])


class BOHB:
    """Hyperband; new genotypes come from a model of the highest fidelity that has enough trials.

    With p(x) = prod_d p_d(x_d) over the decisions, `candidates` are drawn from the density l of the
    good trials, and the one with the largest l(x) / g(x) is proposed. A share of the genotypes is
    drawn uniformly, as all are before there is a model.

    Departures: one density per decision, as in TPE, not one over all together, which would need
    many more trials where there are tens of decisions; no widening of the bandwidth (b_w = 3)
    when drawing; no repeats at a rung. Infeasible trials belong to the bad ones, and are ordered
    among themselves by how far they are out.

    Args:
        problem: what is searched for; its `fidelity` is the largest budget of the paper.
        reduction: eta, how much more each rung trains and how many fewer it keeps.
        lowest: the least share of the recipe that a trial may get.
        fidelities: the rungs themselves, rising to `problem.fidelity`, in place of `reduction` and
            `lowest`.
        random_fraction: rho, the share of genotypes drawn uniformly.
        good_fraction: q, the share of trials that count as good.
        candidates: N_s, how many draws are compared for one proposal.
    """

    traits = Traits(several_fidelities=True)

    def __init__(
        self,
        problem: Problem,
        reduction: float = 3,
        lowest: float = 0.06,
        fidelities: Fidelities = None,
        random_fraction: float = 1 / 3,
        good_fraction: float = 0.15,
        candidates: int = 64,
    ) -> None:
        if not 0 <= random_fraction <= 1:
            raise Fault(f"random_fraction is {random_fraction}; it must be from 0 to 1")
        if not 0 < good_fraction < 1:
            raise Fault(f"good_fraction is {good_fraction}; it must be above 0 and below 1")
        if candidates < 1:
            raise Fault(f"candidates is {candidates}; it must be at least 1")
        self._problem = problem
        self._random_fraction, self._candidates = random_fraction, candidates
        self._rng = generator(problem.seed, "bohb")
        levels = rungs(problem, reduction, lowest, fidelities)
        decisions = tuple(problem.space.decisions.values())
        self._models = {fidelity: Model(decisions, good_fraction) for fidelity in levels}
        self._brackets = Brackets(problem, levels, self._draw)
        self._told = 0

    def ask(self, limit: int) -> Sequence[Proposal]:
        """What the brackets need next; none when every genotype has been tried at every rung."""
        return self._brackets.ask(limit)

    def _draw(self, level: int) -> Genotype | None:
        space, seen = self._problem.space, self._brackets.seen[level]
        # Algorithm 2, line 2: the largest budget with enough trials
        model = next((m for m in reversed(self._models.values()) if m.ready), None)
        # Algorithm 2, line 1: with chance rho a random one
        if model is not None and self._rng.random() >= self._random_fraction:
            # Algorithm 2, lines 5 and 6: N_s draws from l, the largest l / g of them
            for options in model.propose(self._rng, self._candidates):
                genotype = Genotype(space.name, tuple(space.decisions), options)
                if genotype not in seen:
                    return genotype
        return draw(space, self._rng, seen)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Books the trials in their brackets and in the model of their fidelity."""
        for trial in trials:
            self._brackets.tell(trial)
            violation, loss = self._problem.goal.rank(trial)
            entry = violation, loss, self._told, trial.genotype.options
            self._models[trial.fidelity].add(entry)
            self._told += 1

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype at the highest fidelity reached."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """The brackets, the trials behind the models, and the random state."""
        return {
            "brackets": self._brackets.state_dict(),
            "models": [[*model.entries] for model in self._models.values()],
            "told": self._told,
            "rng": self._rng.getstate(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._brackets.load_state_dict(state["brackets"])
        for (fidelity, old), entries in zip(self._models.items(), state["models"], strict=True):
            self._models[fidelity] = model = Model(old.decisions, old.good_fraction)
            for violation, loss, order, options in entries:
                model.add((violation, loss, order, tuple(options)))
        self._told = int(state["told"])
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))
