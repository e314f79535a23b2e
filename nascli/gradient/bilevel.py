"""Training on two levels: weights and architecture weights, a batch of each in turn.

Liu et al., DARTS, ICLR 2019 (arXiv 1806.09055), Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.supernet import Level, Mixture, Relaxation, Rescales, Sampler, SharedWeights
from nascli.costs.within import Within
from nascli.data.batches import Batch, seeded
from nascli.gradient.cuda_graphs import Replayed
from nascli.gradient.curvature import largest_eigenvalue
from nascli.gradient.gradients import gradients
from nascli.gradient.halves import Halves, share_correct
from nascli.gradient.method import Method
from nascli.gradient.stage_setup import (
    kept,
    relaxation_of,
    sampler_of,
    skip_mask,
    supernet_of,
    without_skips,
)
from nascli.gradient.stages import Stage
from nascli.gradient.unrolled import Unrolled, frozen, leaf, twice_differentiable
from nascli.supernet.recalibration import preserved
from nascli.supernet.training import WeightTraining
from nascli.training.divergence import check
from nascli.training.optimizers import Adam


class Bilevel:
    """Two optimizers on one supernet, through one stage of a search.

    The running statistics of batch norms move with the forward pass of every step, as in the
    published code. All other passes (those of a second-order gradient, of a perturbation, of a
    Hessian, of scoring) leave them as they were.

    Args:
        problem: its recipe holds both optimizers' settings.
        shared: the weights; what this stage trains with is put there.
        method: relaxation or sampler, and the parts of a step.
        stage: which part of the search this is.
        epochs: of the whole search.
        halves: the images.
        before: the stage before this one, which has ended; None for the first, and for one that
            is to be loaded from a checkpoint.
    """

    def __init__(
        self,
        problem: Problem,
        shared: SharedWeights,
        method: Method,
        stage: Stage,
        epochs: int,
        halves: Halves,
        before: Bilevel | None = None,
    ) -> None:
        self._problem, self._shared, self._method = problem, shared, method
        self._recipe, self._halves = problem.recipe, halves
        self.stage, self._epochs, self.epoch = stage, epochs, stage.begin
        self.supernet = supernet_of(problem, shared, stage, before.stage if before else None)
        self._relaxation: Relaxation | None
        self._sampler: Sampler | None
        self._architect: torch.optim.Optimizer | None
        if before is not None and before.stage.supernet == stage.supernet:
            self._relaxation, self._sampler = before._relaxation, before._sampler
            self._architect = before._architect
        else:
            self._relaxation = relaxation_of(problem, method, self.supernet, stage)
            self._sampler = sampler_of(problem, method, self.supernet, stage)
            self._architect = self._adam()
        if stage.options is not None:
            last = before.relaxation if before is not None else self.relaxation
            self.relaxation.keep(kept(last, self.supernet, stage.options))
        if self._relaxation is not None:
            method.lead(self._relaxation)
        self._alphas = list(self._relaxation.parameters()) if self._relaxation is not None else []
        self._training = WeightTraining(self.supernet, problem.recipe, problem.accelerator)
        if method.cuda_graphs:
            self._training.evaluate = Replayed(self.supernet)
        self._within = Within(problem)
        self._skips = skip_mask(self.supernet, problem.accelerator)
        self._generator = seeded(problem.seed, "skips", stage.number)
        self._decided: Callable[[Mixture], Mixture] | None = None
        self._at()
        shared.relaxation, shared.sampler = self._relaxation, self._sampler
        shared.training = self._training

    @property
    def relaxation(self) -> Relaxation:
        """The architecture weights.

        Raises:
            Fault: a sampler draws the paths, and there are none.
        """
        if self._relaxation is None:
            raise Fault("a sampler draws the paths of this search, so it has no relaxation")
        return self._relaxation

    def _adam(self) -> torch.optim.Optimizer | None:
        if self._relaxation is None:
            return None
        settings = self._recipe.architecture
        return Adam(
            list(self._relaxation.parameters()),
            lr=settings["learning_rate"],
            betas=tuple(settings["betas"]),
            weight_decay=settings["weight_decay"],
        )

    def train(self, scale: float = 1.0) -> str:
        """See `nascli.training.divergence.Trains`; says how the half that alpha learns from did."""
        self.supernet.train()
        self._slow(scale)
        steps, number = self._halves.steps, self.epoch
        first, end = self.stage.span  # the cosine spans the life of the supernet
        for step in range(self._step, steps):
            self._problem.budget.check()
            now = number + step / steps
            rate = self._training.set_rate(end - first, number - first, step, steps)
            if self._architect is not None and self.stage.learns(now):
                self._total += self._architecture_step(now, rate)
                self._learning += 1
            self._weight_step(now)
            self._step += 1
            self._problem.listener.progress(step / steps, f"epoch {number + 1}/{self._epochs}")
        check(self._training.weights, "supernet")
        check(self._alphas, "architecture")
        self.epoch += 1
        total, learning = self._total, self._learning
        self._at()
        if not learning:
            return ""
        loss, accuracy = (total / learning).tolist()
        return f"on the other half: loss {loss:.3f}, accuracy {100 * accuracy:.1f} %"

    def _at(self, step: int = 0, learning: int = 0, total: Sequence[float] = (0.0, 0.0)) -> None:
        """So many steps of the epoch are over, in so many of which alpha learnt.

        `total` are the sums over these of the loss and of the share of correct answers.
        """
        self._step, self._learning = step, learning
        self._total = torch.tensor(total, device=self._problem.accelerator)

    def _slow(self, scale: float) -> None:
        """From now on every learning rate is this share of what the recipe says."""
        self._training.scale = scale
        for group in self._architect.param_groups if self._architect is not None else ():
            group["lr"] = scale * self._recipe.architecture["learning_rate"]

    def _mixtures(self, now: float, level: Level) -> Sequence[Mixture]:
        drawn = self._drawn(now / self._epochs, level)
        mixtures = [self._decided(mixture) for mixture in drawn] if self._decided else drawn
        chance = self.stage.dropout(now)
        if not chance:
            return mixtures
        drop = (self._skips, chance, self._generator)
        return [replace(mixture, weights=without_skips(mixture, *drop)) for mixture in mixtures]

    def _drawn(self, progress: float, level: Level) -> Sequence[Mixture]:
        if self._sampler is None:
            return self.relaxation.mixtures(progress, level)
        return [self.supernet.path(genotype) for genotype in self._sampler.paths(progress)]

    def _architecture_step(self, now: float, rate: float) -> Tensor:
        """alpha <- Adam on the validation half; gives (loss, share of correct answers)."""
        assert self._architect is not None
        batch = self._halves.valid()
        mixtures = self._mixtures(now, "architecture")
        if self._method.second_order is not None:
            logits, loss, found = self._unrolled(batch, mixtures, rate, now)
        else:
            with frozen(self._training.weights):
                logits, loss = self._training.loss(batch, mixtures, self._training.evaluate)
            found = gradients(self._penalised(loss, mixtures, now), self._alphas)
        for alpha, gradient in zip(self._alphas, found, strict=True):
            alpha.grad = gradient
        self._architect.step()
        if isinstance(self._relaxation, Rescales):
            self._relaxation.rescale()
        self._method.lead(self.relaxation)
        return torch.stack([loss.detach().float(), share_correct(logits, batch[1])])

    def _penalised(self, loss: Tensor, mixtures: Sequence[Mixture], now: float) -> Tensor:
        """The loss with all penalties, which look at the first mixture."""
        return self._method.penalised(loss, mixtures[0], self.relaxation, now / self._epochs)

    def _unrolled(
        self, batch: Batch, mixtures: Sequence[Mixture], rate: float, now: float
    ) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """(logits, loss, gradients of alpha) through one step of the weights.

        Both losses are differentiated by the mixtures, and then these by alpha, so that a sampled
        mixture is the same one throughout. The training batch is that of the coming weight step.
        """
        assert self._method.second_order is not None
        leaves = [leaf(mixture) for mixture in mixtures]
        inputs = [t for m in leaves for t in (m.weights, m.edges) if t is not None]
        outputs = [t for m in mixtures for t in (m.weights, m.edges) if t is not None]
        weights, state = self._training.weights, self._training.optimizer.state
        momenta = [state[weight].get("momentum_buffer") for weight in weights]
        settings = self._recipe.momentum, self._recipe.weight_decay
        step = Unrolled(weights, momenta, rate, *settings, self._method.second_order)
        seen: list[Tensor] = []

        def valid() -> Tensor:
            logits, loss = self._training.loss(batch, leaves)
            seen.append(logits.detach())
            return loss

        upcoming = self._halves.upcoming()
        with preserved(self.supernet):
            loss, found = step.gradients(
                lambda: self._training.loss(upcoming, leaves)[1], valid, inputs
            )
        # With L the loss as a number, c(L, alpha) the penalised loss, m the mixtures and g = dL/dm:
        # dc/dalpha = (partial c/partial L) sum g dm/dalpha + partial c/partial alpha,
        # which is the gradient of  sum m (partial c/partial L) g + c(L, alpha)  at constant L, g.
        number = loss.clone().requires_grad_()
        penalised = self._penalised(number, mixtures, now)
        (factor,) = torch.autograd.grad(penalised, [number], retain_graph=True)
        through = sum((o * (factor * g)).sum() for o, g in zip(outputs, found, strict=True))
        total = through + penalised - number.detach() if self._method.penalties else through
        assert isinstance(total, Tensor)
        return seen[-1], loss, torch.autograd.grad(total, self._alphas)

    def _weight_step(self, now: float) -> None:
        """w <- SGD on the training half, alpha held."""
        batch = self._halves.train()
        with torch.no_grad():
            mixtures = self._mixtures(now, "weights")
        if self._method.perturbation is not None:
            mixtures = [self._perturbed(batch, mixture, now) for mixture in mixtures]
        self._training.step(batch, mixtures)

    def _perturbed(self, batch: Batch, mixture: Mixture, now: float) -> Mixture:
        assert self._method.perturbation is not None

        def loss(mixture: Mixture, *, evaluating: bool = False) -> Tensor:
            self.supernet.train(not evaluating)
            return self._training.loss(batch, [mixture])[1]

        with preserved(self.supernet), frozen(self._training.weights):
            return self._method.perturbation(mixture, loss, now / self._epochs)

    def derive(self, strengths: Tensor) -> Genotype:
        """See `nascli.gradient.parts.Trained`."""
        genotype = self.supernet.derive(strengths)
        if self._within.keeps(genotype):
            return genotype
        names = [choice.name for choice in self.supernet.choices]
        return self._within.strongest(dict(zip(names, strengths.tolist(), strict=True)), genotype)

    def nearest(self, genotype: Genotype) -> Genotype:
        """See `nascli.gradient.parts.Trained`."""
        if self._within.keeps(genotype):
            return genotype
        return self.derive(self.supernet.path(genotype).strengths)

    def loss(self, mixture: Mixture) -> float:
        """See `nascli.gradient.parts.Trained`."""
        self.supernet.train()
        with torch.no_grad(), preserved(self.supernet):
            return float(self._training.loss(self._halves.probe(), [mixture])[1])

    def tune(self, mixture: Mixture, share: float) -> None:
        """See `nascli.gradient.parts.Trained`; at the learning rate of the last epoch."""
        self.supernet.train()
        for _ in range(max(1, round(share * self._halves.steps))):
            self._training.step(self._halves.train(), [mixture])

    def adapt(self, decided: Callable[[Mixture], Mixture], share: float, done: float) -> None:
        """See `nascli.gradient.parts.Trained`."""
        self.supernet.train()
        self._decided = decided
        if done == 0:
            self._training.begin_anew()
        rate = self._training.anneal(done)
        for _ in range(max(1, round(share * self._halves.steps))):
            if self._architect is not None:
                self._architecture_step(self.epoch, rate)
            self._weight_step(self.epoch)

    def eigenvalue(self) -> float:
        """The largest one of the Hessian of the validation loss by alpha, on a fixed batch."""
        self.supernet.train()
        with preserved(self.supernet), twice_differentiable(self._training.weights):
            mixtures = self.relaxation.mixtures(self.epoch / self._epochs, "architecture")
            _, loss = self._training.loss(self._halves.probe(), mixtures)
            return largest_eigenvalue(loss, self._alphas, seeded(self._problem.seed, "eigenvalue"))

    def state_dict(self) -> dict[str, Any]:
        """All that changes while it trains."""
        perturbation = self._method.perturbation
        return {
            "epoch": self.epoch,
            "under_way": [self._step, self._learning, self._total.tolist()] if self._step else [],
            **self._shared.state_dict(),
            "architect": self._architect and self._architect.state_dict(),
            "streams": self._halves.state_dict(),
            "skips": self._generator.get_state(),
            "perturbation": perturbation and perturbation.state_dict(),
            "penalties": self._method.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.epoch = int(state["epoch"])
        self._at(*state.get("under_way", ()))
        self._shared.load_state_dict(state)
        if self._architect is not None:
            self._architect.load_state_dict(state["architect"])
        self._halves.load_state_dict(state["streams"])
        self._generator.set_state(state["skips"])
        self._method.load_state_dict(state.get("penalties", ()))
        if self._method.perturbation is not None:
            self._method.perturbation.load_state_dict(state["perturbation"])
