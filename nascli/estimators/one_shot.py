"""Accuracy with shared weights: a genotype's path through a supernet.

Bender et al., Understanding and Simplifying One-Shot Architecture Search, ICML 2018; Guo et al.,
Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020 (arXiv 1904.00420).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import Sampler, SharedWeights, Supernet
from nascli.core.traits import Traits
from nascli.core.trial import Proposal

if TYPE_CHECKING:
    from nascli.supernet.path_training import PathTraining


class OneShot:
    """Scores the path on the validation split, its batch norms recalibrated on training images.

    A strategy that trains the shared weights goes on doing so between two estimates. With any other
    strategy the estimator trains them itself, under a sampler and before the first estimate, and
    after that its answers repeat.

    Reports `accuracy` in percent. See `nascli.supernet.scoring.Scoring` for the other arguments.

    Args:
        problem: what is searched for; its recipe trains the supernet.
        shared: the weights.
        sampler: `sampler(supernet, seed)` draws the paths that are trained; needed only where the
            estimator trains.
        batch_size: images at once, to score.
        recalibration_batches: how many of them the batch-norm statistics come from.

    Raises:
        Fault: a value makes no sense, or there is no sampler though it is needed.
    """

    metrics = ("accuracy",)
    meaning = "the path's in the supernet, on the validation split; nas retrain gives its own"
    traits = Traits(repeatable=False, weight_sharing=True, fidelities=False)

    def __init__(
        self,
        problem: Problem,
        shared: SharedWeights,
        sampler: Callable[[Supernet, int], Sampler] | None = None,
        batch_size: int = 256,
        recalibration_batches: int = 4,
    ) -> None:
        from nascli.supernet.scoring import Scoring  # torch, which a wrong search does without
        from nascli.training.divergence import Caution
        from nascli.training.epoch_cost import EpochCost

        self._problem, self._shared = problem, shared
        self._scoring = Scoring(problem, shared, batch_size, recalibration_batches)
        self._training: PathTraining | None = None
        self._cost = EpochCost(problem.accelerator)
        self._caution = Caution(problem.recipe, problem.listener.warn)
        if shared.trainer == "estimator":
            if sampler is None:
                raise Fault(
                    "no strategy trains the supernet, and estimator.sampler is empty; take "
                    "sampler@estimator.sampler=uniform"
                )
            from nascli.supernet.path_training import PathTraining

            self._training = PathTraining(problem, shared, sampler)
        self.traits = replace(self.traits, repeatable=shared.trainer != "strategy")

    def prepare(self, save: Callable[[], None]) -> None:
        """Trains the supernet, where no strategy does, from where its state stands.

        Raises:
            Stopped: the training diverges, with a tenth of the step too.
        """
        while self._training is not None and not self._training.over:
            self._training.begin()
            with self._cost.epoch():
                said = self._caution.epoch(self._training)
            self._problem.listener.progress(self._training.epoch / self._training.epochs, said)
            save()

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The accuracy in percent, whatever the fidelity.

        Raises:
            Fault: the estimator is to train the supernet, and `prepare` has not been called.
        """
        if self._training is not None and not self._training.over:
            raise Fault("estimator=one_shot has not trained its supernet: prepare it first")
        path = self._shared.supernet.path(proposal.genotype)
        return {"accuracy": self._scoring.accuracy(path)}

    def effort(self) -> Mapping[str, float]:
        """See `nascli.core.strategy.MeasuresEffort`."""
        return self._cost.metrics()

    def state_dict(self) -> dict[str, Any]:
        """The supernet and its training; empty where somebody else trains it."""
        if self._training is None:
            return {}
        return {**self._training.state_dict(), "caution": self._caution.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        if self._training is not None and state:
            self._training.load_state_dict(state)
            self._caution.load_state_dict(state.get("caution", {}))
