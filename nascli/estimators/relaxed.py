"""Accuracy of the whole supernet under the mixture that a gradient search has come to.

It is what DARTS validates each epoch (Liu et al., ICLR 2019, arXiv 1806.09055).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import SharedWeights
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.supernet import scored


class Relaxed:
    """Scores the supernet on the validation split before and after discretisation.

    `accuracy` (percent) is that of the supernet under the expected mixture, `path_accuracy` that
    of the proposed genotype's path with the same weights. A wide gap says that the mixture depends
    on what discretisation takes away; the weights were trained for the mixture, so the first is the
    one that tells epochs apart.

    See `nascli.supernet.scoring.Scoring` for the arguments and for what raises.
    """

    metrics = ("accuracy", "path_accuracy")
    meaning = "the supernet's on the validation split; `nas retrain` gives the network's own"
    traits = Traits(repeatable=False, weight_sharing=True, fidelities=False)

    def __init__(
        self,
        problem: Problem,
        shared: SharedWeights,
        batch_size: int = 256,
        recalibration_batches: int = 4,
        recalibration_images: Literal["augmented", "plain"] = "plain",
    ) -> None:
        scored.check(batch_size, recalibration_batches, None, recalibration_images)
        from nascli.supernet.scoring import Scoring  # torch, which a wrong search does without

        self._shared = shared
        self._scoring = Scoring(
            problem, shared, batch_size, recalibration_batches, None, recalibration_images
        )

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """Both accuracies in percent, whatever the fidelity.

        Raises:
            Fault: no gradient search is training the supernet.
        """
        if self._shared.relaxation is None:
            raise Fault(
                "estimator=relaxed scores what a gradient search with a relaxation trains; with "
                "this strategy take estimator=one_shot or estimator=train"
            )
        mixture = self._shared.relaxation.expected()
        path = self._shared.supernet.path(proposal.genotype)
        return {
            "accuracy": self._scoring.accuracy(mixture),
            "path_accuracy": self._scoring.accuracy(path),
        }
