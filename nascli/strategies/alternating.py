"""Shared weights and a policy in turn: an epoch of weights, then trials to learn a policy from.

Pham et al., Efficient Neural Architecture Search via Parameter Sharing, ICML 2018 (arXiv
1802.03268), section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.strategy import Strategy
from nascli.core.supernet import SharedWeights, Supernet
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial


class Alternating:
    """Trains shared weights on paths that a strategy draws, and lets it learn from their scores.

    Every round is an epoch of the recipe, each step on one path that the strategy draws at that
    moment, and then `trials` proposals of the strategy, which are scored with the weights as they
    are. The answer is the best trial of the last round: earlier ones had other weights.

    Departures from ENAS: a trial is scored on the whole validation split with batch-norm statistics
    of its own, where the paper takes one batch; so a round has tens of trials and not 2,000.

    Args:
        problem: what is searched for; its recipe trains the weights.
        shared: the weights.
        of: `of(problem)` is the strategy, such as `reinforce`, which goes on for ever.
        trials: how many a round has.

    Raises:
        Fault: a value makes no sense.
    """

    traits = Traits(weight_sharing=True)

    def __init__(
        self,
        problem: Problem,
        shared: SharedWeights,
        of: Callable[[Problem], Strategy],
        trials: int = 16,
    ) -> None:
        if trials < 1:
            raise Fault(f"strategy.trials is {trials}; it must be at least 1")
        self._problem, self._trials, self._left = problem, trials, 0
        self._of = of(problem)
        from nascli.supernet.path_training import PathTraining  # torch, to be told of no mistake
        from nascli.training.divergence import Caution
        from nascli.training.epoch_cost import EpochCost

        self._training = PathTraining(problem, shared, lambda net, _seed: _Draws(net, self._of))
        self._cost = EpochCost(problem.accelerator)
        self._caution = Caution(problem.recipe, problem.listener.warn)
        self.traits = Traits(weight_sharing=True, trials=self._training.epochs * trials)

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The strategy's next proposal, after an epoch of training where a round begins.

        Raises:
            Stopped: the training diverges, with a tenth of the step too.
        """
        if limit < 1 or (self._left == 0 and self._training.over):
            return ()
        if self._left == 0:
            self._training.begin()
            with self._cost.epoch():
                said = self._caution.epoch(self._training)
            self._problem.listener.progress(1.0, said)
            self._left = self._trials
        proposals = self._of.ask(1)
        self._left -= len(proposals)
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """The strategy learns from them."""
        self._of.tell(trials)

    def recommend(self, history: History) -> Genotype | None:
        """The best of the last round with a good trial."""
        rounds: dict[int, list[Trial]] = {}
        for trial in history:
            rounds.setdefault(trial.number // self._trials, []).append(trial)
        answers = (History(rounds[r]).answer(self._problem.goal) for r in sorted(rounds)[::-1])
        return next((answer for answer in answers if answer is not None), None)

    def effort(self) -> Mapping[str, float]:
        """See `nascli.core.strategy.MeasuresEffort`."""
        return self._cost.metrics()

    def state_dict(self) -> dict[str, Any]:
        """The strategy, the weights and their training, and how many trials the round has left."""
        return {
            "training": self._training.state_dict(),
            "of": self._of.state_dict(),
            "caution": self._caution.state_dict(),
            "left": self._left,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._training.load_state_dict(state["training"])
        self._of.load_state_dict(state["of"])
        self._caution.load_state_dict(state["caution"])
        self._left = int(state["left"])


class _Draws:
    """A sampler: the paths that a strategy would propose."""

    def __init__(self, supernet: Supernet, strategy: Strategy) -> None:
        del supernet
        self._strategy = strategy

    def paths(self, progress: float) -> Sequence[Genotype]:
        """One genotype."""
        del progress
        proposals = self._strategy.ask(1)
        if not proposals:
            raise Fault("strategy.of has ended in the middle of a training; take one that does not")
        return (proposals[0].genotype,)

    def state_dict(self) -> dict[str, Any]:
        """The strategy's, for the draws are."""
        return self._strategy.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._strategy.load_state_dict(state)
