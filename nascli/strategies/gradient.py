"""Gradient search: the supernet's weights and the architecture weights, trained in turn.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019 (arXiv 1806.09055). The whole
family is this class with other parts; docs/methods.md has a paragraph on each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import Shrinkable
from nascli.core.supernet import Relaxation, Sampler, SharedWeights, Supernet, unpriced
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial
from nascli.gradient.method import Method, SecondOrder, check_mixes
from nascli.gradient.parts import Discretisation, Penalty, Perturbation, Stopper, built
from nascli.gradient.readout import collapse, in_words, over, readout, weights_of
from nascli.gradient.stages import Stage, schedule
from nascli.training.divergence import Caution
from nascli.training.epoch_cost import EpochCost
from nascli.training.steps import check_steps

if TYPE_CHECKING:
    from nascli.gradient.bilevel import Bilevel
    from nascli.gradient.halves import Halves

_ANSWERS = ("auto", "best", "last")
Part = Callable[..., Any]
"""`Part(problem)`, or `Part(problem, shared)` with the trait `weight_sharing`."""


class GradientSearch:
    """Each `ask` trains one epoch and proposes the genotype that the architecture weights prefer.

    One half of the training split moves the weights w, the other the architecture weights alpha,
    a batch of each in turn: alpha descends L_val(w, alpha), then w descends L_train(w, alpha). The
    architecture step asks for gradients of alpha alone, so it leaves none on w. The recipe is the
    problem's `training`: its `architecture` entry holds alpha's Adam.

    The proposals of a stage that is not the last have a lower fidelity, the share of the search
    that is over at its end, for their supernets do not compare with the last one's.

    Departure: where trials score genotypes and not the mixture, the answer is, unless `answer` says
    otherwise, the epoch that scored best on the validation split, which no step has seen.

    Args:
        problem: what is searched for; its space needs a supernet.
        shared: the weights, which this strategy trains.
        discretisation: how a genotype is made of what is learnt.
        relaxation: `relaxation(supernet, seed)` gives the architecture weights.
        sampler: in their place, `sampler(supernet, seed)` draws the path of every step; then no
            architecture is learnt, and only a discretisation that scores paths makes sense.
        second_order: None for alpha's gradient at w (xi = 0 in eq. 7 of DARTS); how its second term
            is found for that at the unrolled w', "finite_difference" or "exact".
        warmup: the share of each stage in which alpha rests.
        partial_channels: options work on one channel in so many (PC-DARTS).
        edge_normalisation: whether edges into a node have weights of their own (PC-DARTS).
        penalties: name -> what else alpha is to keep small.
        perturbation: what moves the mixture of a weight step.
        stopper: what ends the search early.
        stages: progressive searches; see `nascli.gradient.stages.Stage` for the keys.
        answer: "best", the epoch that scored best; "last": that of the last epoch, or where a
            stopper ended the search, of the one that it answers with; both as published. "auto":
            the last where `accuracy` is that of the mixture (there is a `path_accuracy` beside it),
            which says little of the genotype, else the best (docs/methods.md has the study).
        cuda_graphs: whether a GPU records the passes of steps and replays them (see
            `nascli.gradient.cuda_graphs`).

    Raises:
        Fault: a part refuses its values or does not go with the others, the space cannot carry the
            relaxation, partial channels do not divide the channels, or the stages are more than the
            epochs.
    """

    traits = Traits(weight_sharing=True, unit="epoch")

    def __init__(
        self,
        problem: Problem,
        shared: SharedWeights,
        discretisation: Part,
        relaxation: Callable[[Supernet, int], Relaxation] | None = None,
        sampler: Callable[[Supernet, int], Sampler] | None = None,
        second_order: SecondOrder | None = None,
        warmup: float = 0.0,
        partial_channels: int = 1,
        edge_normalisation: bool = False,
        penalties: Mapping[str, Part | None] | None = None,
        perturbation: Part | None = None,
        stopper: Part | None = None,
        stages: Sequence[Mapping[str, Any]] = (),
        cuda_graphs: bool = False,
        answer: Literal["auto", "best", "last"] = "best",
    ) -> None:
        self._problem, self._shared = problem, shared
        if answer not in _ANSWERS:
            raise Fault(unknown("strategy.answer", answer, _ANSWERS))
        self._answer = answer
        if cuda_graphs and problem.accelerator != "cuda":
            raise Fault(
                "strategy.cuda_graphs is true, but the search runs on "
                f"accelerator={problem.accelerator}; leave it out, or take accelerator=cuda"
            )
        if relaxation is not None:
            check_mixes(problem.space, sizes=isinstance(problem.space, Shrinkable))
        common = {"warmup": warmup, "partial_channels": partial_channels}
        self._stages = schedule(list(stages or ()), self.epochs, common)
        task: Any = problem.task
        task.split("train")  # data that are not there should be missed before anything starts
        chosen = [p for p in (penalties or {}).values() if p is not None]
        self._method = Method(
            relaxation,
            sampler,
            edge_normalisation,
            second_order,
            [built(problem, shared, penalty, Penalty) for penalty in chosen],
            built(problem, shared, perturbation, Perturbation),
            cuda_graphs,
        )
        self._stopper: Stopper | None = built(problem, shared, stopper, Stopper)
        self._discretise: Discretisation = built(problem, shared, discretisation, Discretisation)
        self._check()
        self.traits = replace(self.traits, trials=self.epochs)
        self._cost = EpochCost(problem.accelerator)
        learns = relaxation is not None
        self._caution = Caution(problem.recipe, problem.listener.warn, alphas=learns)
        self._halves: Halves | None = None
        self._bilevel: Bilevel | None = None
        self._epoch, self._stopped, self._warned = 0, False, False
        self._trajectory: list[dict[str, dict[str, float]]] = []
        self._collapsed = 0  # epochs in a row whose genotype is mostly skip connections

    def _check(self) -> None:
        """Raises a Fault for what does not fit together, before anything is trained."""
        import torch  # which is not needed to be told that the search itself makes no sense

        from nascli.gradient.stage_setup import (
            check_growth,
            grown,
            relaxation_of,
            sampler_of,
            set_partial_channels,
        )

        check_steps(self._problem, self._problem.recipe.batch_size)
        if self._method.sampler is not None:
            self._check_sampled()
        if any(stage.depth != 1.0 for stage in self._stages):
            check_growth(self._problem)
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            for channels in {stage.partial_channels for stage in self._stages} - {1}:
                set_partial_channels(self._problem, grown(self._problem, 1.0), channels)
        supernet = self._shared.supernet
        relaxation_of(self._problem, self._method, supernet, self._stages[0])
        sampler_of(self._problem, self._method, supernet, self._stages[0])

    def _check_sampled(self) -> None:
        """Raises a Fault for what reads architecture weights, where there are none."""
        reads = {
            "strategy.stopper": self._stopper is not None,
            "options of strategy.stages": any(s.options is not None for s in self._stages),
            "strategy.discretisation": self._discretise.at_the_end
            or not self._discretise.without_relaxation,
        }
        for name, there in reads.items():
            if there:
                raise Fault(
                    f"{name} reads architecture weights, and strategy.sampler has none; take "
                    "discretisation@strategy.discretisation=best_path and leave the others out"
                )

    @property
    def epochs(self) -> int:
        """How many epochs the recipe asks for; each is one trial."""
        return max(1, round(self._problem.fidelity * int(self._problem.recipe.epochs)))

    def ask(self, limit: int) -> Sequence[Proposal]:
        """One epoch of training, then one proposal; none once the search is over.

        Raises:
            Stopped: the training diverges, with a tenth of the step too.
        """
        if limit < 1 or self._stopped or self._epoch >= self.epochs:
            return ()
        trained = self._training()
        with self._cost.epoch():
            said = self._caution.epoch(trained)
        self._epoch += 1
        last = self._epoch == self.epochs
        if self._discretise.at_the_end and not last:
            genotype = trained.derive(unpriced(trained.relaxation).strengths)
        else:
            genotype = self._discretise(trained)
        found = self._readout(trained, genotype)
        self._trajectory += [weights_of(trained.supernet, self._shared.relaxation)]
        self._warn(trained, genotype)
        if last:
            for warning in over(found, self._problem.goal):
                self._problem.listener.warn(warning)
        words = [f"epoch {self._epoch}/{self.epochs}", said, in_words(found, self._problem.goal)]
        self._problem.listener.progress(1.0, ", ".join(filter(None, words)))
        return [Proposal(genotype, self._problem.fidelity * self._share(trained.stage), found)]

    def effort(self) -> Mapping[str, float]:
        """See `nascli.core.strategy.MeasuresEffort`."""
        return self._cost.metrics()

    def trajectory(self) -> Sequence[Mapping[str, Mapping[str, float]]]:
        """See `nascli.core.strategy.Traced`."""
        return self._trajectory

    def tell(self, trials: Sequence[Trial]) -> None:
        """The weights have learnt already."""

    def recommend(self, history: History) -> Genotype | None:
        """The genotype of the epoch that `answer` says; a stopper sets the last that counts.

        Where there are some, it is of the epochs in which the expected costs kept the constraints:
        how good a mixture beyond them is says little of the network that was cut to fit.
        """
        back = self._stopper.back if self._stopper is not None and self._stopped else 0
        goal = self._problem.goal
        counting = History(history[: len(history) - back])
        led = [trial for trial in counting if not over(trial.metrics, goal)]
        counting = History(led) if History(led).answer(goal) else counting
        good = counting.full(goal)
        mixed = any("path_accuracy" in trial.metrics for trial in good)
        if self._answer == "last" or (self._answer == "auto" and mixed):
            return good[-1].genotype if good else None
        return counting.answer(goal)

    def state_dict(self) -> dict[str, Any]:
        """Weights, architecture weights, optimizers, streams of batches, stage, all draws."""
        trained = self._bilevel or self._training()
        return {
            "epoch": self._epoch,
            "stopped": self._stopped,
            "warned": self._warned,
            "collapsed": self._collapsed,
            "trajectory": self._trajectory,
            "stage": trained.stage.number,
            "bilevel": trained.state_dict(),
            "caution": self._caution.state_dict(),
            "stopper": self._stopper and self._stopper.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._epoch = int(state["epoch"])
        self._stopped, self._warned = bool(state["stopped"]), bool(state["warned"])
        self._collapsed = int(state["collapsed"])
        self._trajectory = [dict(epoch) for epoch in state.get("trajectory", ())]
        self._caution.load_state_dict(state.get("caution", {}))
        self._bilevel = None
        self._enter(self._stages[state["stage"]]).load_state_dict(state["bilevel"])
        if self._stopper is not None:
            self._stopper.load_state_dict(state["stopper"])

    def _training(self) -> Bilevel:
        """The stage that the coming epoch is of, entered if it begins with it."""
        stage = next(stage for stage in self._stages if self._epoch < stage.end)
        if self._bilevel is not None and self._bilevel.stage == stage:
            return self._bilevel
        return self._enter(stage)

    def _enter(self, stage: Stage) -> Bilevel:
        from nascli.gradient.bilevel import Bilevel
        from nascli.gradient.halves import Halves

        if self._halves is None:
            self._halves = Halves(self._problem)
        args = self._problem, self._shared, self._method, stage, self.epochs, self._halves
        self._bilevel = Bilevel(*args, before=self._bilevel)
        return self._bilevel

    def _share(self, stage: Stage) -> float:
        """The share of the whole search that stands behind a proposal, by stages."""
        if self._discretise.at_the_end and self._epoch < self.epochs:
            return min(stage.end, self.epochs - 1) / self.epochs
        return stage.end / self.epochs

    def _readout(self, trained: Bilevel, genotype: Genotype) -> dict[str, float]:
        """What tells a collapse, as metrics; asks the stopper too."""
        found = readout(trained.supernet, self._shared.relaxation, genotype)
        if self._shared.relaxation is not None:
            found |= self._method.readout(self._shared.relaxation)
        if self._stopper is not None:
            self._stopped = self._stopper.stops(self._epoch, trained.eigenvalue)
            found |= self._stopper.readout()
        return found

    def _warn(self, trained: Bilevel, genotype: Genotype) -> None:
        """Warns once of a collapse that lasts; what learns no architecture cannot collapse."""
        learns = self._shared.relaxation is not None
        warning = collapse(trained.supernet, genotype) if learns else None
        self._collapsed = self._collapsed + 1 if warning else 0
        if warning and self._collapsed == 2 and not self._warned:  # a single one may be chance
            self._problem.listener.warn(warning)
            self._warned = True
