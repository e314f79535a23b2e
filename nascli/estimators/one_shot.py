"""Accuracy with shared weights: a genotype's path through the supernet.

Bender et al., Understanding and Simplifying One-Shot Architecture Search, ICML 2018.
"""

from __future__ import annotations

from collections.abc import Mapping

from nascli.core.problem import Problem
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.supernet.scoring import Scoring


class OneShot:
    """Scores the path on the validation split, its batch norms recalibrated on training images.

    Reports `accuracy` in percent. See `nascli.supernet.scoring.Scoring` for the arguments and for
    what raises.
    """

    metrics = ("accuracy",)
    meaning = "the path's in the supernet, on the validation split; nas retrain gives its own"
    traits = Traits(repeatable=False, weight_sharing=True)

    def __init__(
        self, problem: Problem, batch_size: int = 256, recalibration_batches: int = 4
    ) -> None:
        self._problem = problem
        self._scoring = Scoring(problem, batch_size, recalibration_batches)

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The accuracy and the search's readout, whatever the fidelity."""
        path = self._problem.supernet.path(proposal.genotype)
        return {"accuracy": self._scoring.accuracy(path), **self._problem.readout}
