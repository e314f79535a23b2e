"""Accuracy with shared weights: a genotype's path through a supernet.

Bender et al., Understanding and Simplifying One-Shot Architecture Search, ICML 2018; Guo et al.,
Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020 (arXiv 1904.00420).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, Sampler, SharedWeights, Supernet
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.supernet import scored

if TYPE_CHECKING:
    from nascli.supernet.path_training import PathTraining


class OneShot:
    """Scores the path on the validation split, its batch norms recalibrated on training images.

    A strategy that trains the shared weights goes on doing so between two estimates. With any other
    strategy the estimator trains them itself, under a sampler and before the first estimate, and
    after that its answers repeat.

    Reports `accuracy` in percent, and in a race also `scored_images`: on how many it is known. See
    `nascli.supernet.scoring.Scoring` for the other arguments.

    Args:
        problem: what is searched for; its recipe trains the supernet.
        shared: the weights.
        sampler: `sampler(supernet, seed)` draws the paths that are trained; needed only where the
            estimator trains.
        batch_size: images at once, to score.
        recalibration_batches: how many of them the batch-norm statistics come from.
        images: how many validation images, drawn once, paths are scored on; None: all. The answer
            and the front are scored on all of them in the end.
        at_once: how many paths are scored together, so that what they begin with alike is computed
            once; the strategy learns of all of them at a time.
        race: of paths that are scored together only so many best ones need be known exactly; None:
            all (see `nascli.supernet.race`).

    Raises:
        Fault: a value makes no sense, or there is no sampler though it is needed.
    """

    metrics: tuple[str, ...] = ("accuracy", "scored_images")
    meaning = "the path's in the supernet, on the validation split; nas retrain gives its own"
    traits = Traits(repeatable=False, weight_sharing=True, fidelities=False)

    def __init__(
        self,
        problem: Problem,
        shared: SharedWeights,
        sampler: Callable[[Supernet, int], Sampler] | None = None,
        batch_size: int = 256,
        recalibration_batches: int = 4,
        images: int | None = None,
        at_once: int = 1,
        race: int | None = None,
        recalibration_images: Literal["augmented", "plain"] = "plain",
    ) -> None:
        scored.check(batch_size, recalibration_batches, images, recalibration_images)
        _check(problem, at_once, race)
        from nascli.supernet.scoring import Scoring  # torch, which a wrong search does without
        from nascli.training.divergence import Caution
        from nascli.training.epoch_cost import EpochCost

        self._problem, self._shared = problem, shared
        self._scoring = Scoring(
            problem, shared, batch_size, recalibration_batches, images, recalibration_images
        )
        self._race = race
        if race is None:
            self.metrics = ("accuracy",)
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
        own = shared.trainer == "strategy"  # which trains on between two estimates
        again = None if images is None else self._again
        self.traits = replace(
            self.traits, repeatable=not own, at_once=1 if own else at_once, again=again
        )

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
        if self._race is not None:
            return self.estimate_all([proposal])[0]
        return {"accuracy": self._scoring.accuracy(self._path(proposal.genotype))}

    def estimate_all(self, proposals: Sequence[Proposal]) -> Sequence[Mapping[str, float]]:
        """What `estimate` gives, for each; raises as it does."""
        paths = [self._path(proposal.genotype) for proposal in proposals]
        scored = self._scoring.accuracies(paths, self._race)
        found = [{"accuracy": accuracy, "scored_images": images} for accuracy, images in scored]
        return [{name: one[name] for name in self.metrics} for one in found]

    def _path(self, genotype: Genotype) -> Mixture:
        if self._training is not None and not self._training.over:
            raise Fault("estimator=one_shot has not trained its supernet: prepare it first")
        return self._shared.supernet.path(genotype)

    def _again(self, genotype: Genotype) -> Mapping[str, float]:
        """On all validation images."""
        return {"all_images_accuracy": self._scoring.accuracy(self._path(genotype), whole=True)}

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


def _check(problem: Problem, at_once: int, race: int | None) -> None:
    """Raises a Fault for numbers that make no sense, or not together."""
    if at_once < 1:
        raise Fault(f"estimator.at_once is {at_once}; it must be at least 1")
    if race is None:
        return
    if not 1 <= race < at_once:
        raise Fault(
            f"estimator.race is {race}; it must be at least 1 and below estimator.at_once, which "
            f"is {at_once}: so many of the paths that are scored together are known exactly"
        )
    if problem.goal.front or problem.goal.scalarisation is not None:
        raise Fault(
            "estimator.race looks at accuracies alone, and this search is for costs too; leave it "
            "out, or bound the costs with constraints.METRIC=VALUE"
        )
