"""Hyperband: successive halving from several starting fidelities.

Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 2018
(arXiv 1603.06560), Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial
from nascli.strategies.halving import Brackets, Fidelities, draw, rungs


class Hyperband:
    """Brackets of synchronous successive halving, repeated until the budget ends.

    Departures: genotypes are drawn without repeats at a rung; when workers are idle because a rung
    waits for its last trials, the next bracket begins.

    Args:
        problem: what is searched for; its `fidelity` is R of the paper.
        reduction: eta of the paper, how much more each rung trains and how many fewer it keeps.
        lowest: the least share of the recipe that a trial may get.
        fidelities: the rungs themselves, rising to `problem.fidelity`, in place of `reduction` and
            `lowest`; eta is then the quotient of neighbours.
    """

    traits = Traits(several_fidelities=True)

    def __init__(
        self,
        problem: Problem,
        reduction: float = 3,
        lowest: float = 0.06,
        fidelities: Fidelities = None,
    ) -> None:
        self._problem = problem
        self._rng = generator(problem.seed, "hyperband")
        levels = rungs(problem, reduction, lowest, fidelities)
        self._brackets = Brackets(problem, levels, self._draw)

    def _draw(self, level: int) -> Genotype | None:
        return draw(self._problem.space, self._rng, self._brackets.seen[level])

    def ask(self, limit: int) -> Sequence[Proposal]:
        """What the brackets need next; none when every genotype has been tried at every rung."""
        return self._brackets.ask(limit)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Books the trials in their brackets."""
        for trial in trials:
            self._brackets.tell(trial)

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype at the highest fidelity reached."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """The brackets and the random state."""
        return {"brackets": self._brackets.state_dict(), "rng": self._rng.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._brackets.load_state_dict(state["brackets"])
        version, words, gauss = state["rng"]
        self._rng.setstate((version, tuple(words), gauss))
