"""What a search knows already: answers by function, and the genotypes that it has told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nascli.core.genotype import Genotype
from nascli.core.trial import Proposal, Trial

Key = Callable[[Genotype], Genotype | None]
"""What genotypes with the same answer share; None if an answer holds only once."""


@dataclass
class Known:
    """Trials that have ended, to be found again by their fidelity and function, or genotype."""

    key: Key
    _answers: dict[tuple[Genotype, float], Trial] = field(default_factory=dict)
    _trials: dict[tuple[Genotype, float], Trial] = field(default_factory=dict)
    _at: dict[float, int] = field(default_factory=dict)  # how many genotypes, by fidelity

    def add(self, trial: Trial) -> bool:
        """Keeps a trial; whether an earlier one has answered for it."""
        key = self.key(trial.genotype)
        if key is None:
            return False
        fidelity = trial.fidelity
        if self._trials.setdefault((trial.genotype, fidelity), trial) is trial:
            self._at[fidelity] = self._at.get(fidelity, 0) + 1
        if trial.infeasible is not None:
            return False
        return self._answers.setdefault((key, fidelity), trial) is not trial

    def answer(self, proposal: Proposal) -> Trial | None:
        """The first trial of the same function that kept the constraints."""
        key = self.key(proposal.genotype)
        return None if key is None else self._answers.get((key, proposal.fidelity))

    def trial(self, proposal: Proposal) -> Trial | None:
        """The first trial of this very genotype, whatever came of it."""
        return self._trials.get((proposal.genotype, proposal.fidelity))

    def count(self, fidelity: float) -> int:
        """How many genotypes are known at this fidelity."""
        return self._at.get(fidelity, 0)


def same(proposal: Proposal, other: Proposal | Trial) -> bool:
    """Whether both are of the same genotype at the same fidelity."""
    return proposal.fidelity == other.fidelity and proposal.genotype == other.genotype


def again(known: Trial, number: int, proposal: Proposal) -> Trial:
    """What is known of a proposal as a trial of its own."""
    alike = known.genotype == proposal.genotype  # share it: a million of them take room
    genotype = known.genotype if alike else proposal.genotype
    metrics = {**known.metrics, **proposal.metrics} if proposal.metrics else known.metrics
    fidelity, infeasible, error = known.fidelity, known.infeasible, known.error
    return Trial(number, genotype, fidelity, metrics, 0.0, infeasible, error)
