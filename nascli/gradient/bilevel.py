"""Training on two levels: weights and architecture weights, a batch of each in turn.

Liu et al., DARTS, ICLR 2019 (arXiv 1806.09055), Algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nascli.core.problem import Problem
from nascli.core.supernet import Level, Mixture, Relaxation
from nascli.data.batches import Batch, seeded
from nascli.gradient.curvature import largest_eigenvalue
from nascli.gradient.entering import kept, relaxation_of, skip_mask, supernet_of, without_skips
from nascli.gradient.levels import Levels, correct
from nascli.gradient.parts import Parts
from nascli.gradient.replayed import Replayed
from nascli.gradient.slopes import slopes
from nascli.gradient.stages import Stage
from nascli.gradient.unrolled import Unrolled, held
from nascli.supernet.recalibration import preserved
from nascli.training.recipe import learning_rate

Evaluate = Callable[[Tensor, Mixture], Tensor]


class Bilevel:
    """Two optimizers on one supernet, through one stage of a search.

    The running statistics of batch norms move with the forward pass of every step, as in the
    published code. All other passes (those of a second-order gradient, of a perturbation, of a
    Hessian, of scoring) leave them as they were.

    Args:
        problem: its recipe holds both optimizers' settings.
        parts: what makes the method.
        stage: which part of the search this is.
        epochs: of the whole search.
        levels: the images.
        before: the stage before this one, which has ended; None for the first, and for one that
            is to be loaded from a checkpoint.
    """

    def __init__(
        self,
        problem: Problem,
        parts: Parts,
        stage: Stage,
        epochs: int,
        levels: Levels,
        before: Bilevel | None = None,
    ) -> None:
        self._problem, self._parts, self._levels = problem, parts, levels
        self._recipe, self._where = problem.recipe, problem.accelerator
        self.stage, self._epochs, self.epoch = stage, epochs, stage.begin
        self.supernet = supernet_of(problem, stage, before.stage if before else None)
        self.relaxation: Relaxation
        self._architect: torch.optim.Optimizer | None
        if before is not None and before.stage.supernet == stage.supernet:
            self.relaxation, self._architect = before.relaxation, before._architect
        else:
            self.relaxation = relaxation_of(problem, parts, self.supernet, stage)
            self._architect = self._adam()
        if stage.options is not None:
            last = before.relaxation if before is not None else self.relaxation
            self.relaxation.keep(kept(last, self.supernet, stage.options))
        problem.relaxation = self.relaxation
        self._alphas = list(self.relaxation.parameters())
        self._weights = [p for p in self.supernet.parameters() if p.requires_grad]
        self._optimizer = self._sgd()
        self._evaluate = Replayed(self.supernet) if parts.cuda_graphs else self.supernet
        self._skips = skip_mask(self.supernet, self.relaxation.logits())
        self._generator = seeded(problem.seed, "skips", stage.number)

    def _sgd(self) -> torch.optim.Optimizer:
        recipe = self._recipe
        optimizer = torch.optim.SGD(
            self._weights,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
            fused=True,
        )
        if recipe.momentum:  # fused SGD wants them of all weights or none; paths step on some
            for weight in self._weights:
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        return optimizer

    def _adam(self) -> torch.optim.Optimizer | None:
        alphas, settings = list(self.relaxation.parameters()), self._recipe.architecture
        if not alphas:
            return None
        return torch.optim.Adam(
            alphas,
            lr=settings["learning_rate"],
            betas=tuple(settings["betas"]),
            weight_decay=settings["weight_decay"],
        )

    def train(self) -> str:
        """Trains one epoch; says how the supernet did on the validation half meanwhile."""
        self.supernet.train()
        steps, number = self._levels.steps, self.epoch
        total = torch.zeros(2, device=self._where)  # loss and correct answers of the alpha batches
        learning = 0
        for step in range(steps):
            now = number + step / steps
            rate = self._set_rate(number, step)
            if self._architect is not None and self.stage.learns(now):
                total += self._architecture_step(now, rate)
                learning += 1
            self._weight_step(now)
            self._problem.listener.progress(step / steps, f"epoch {number + 1}/{self._epochs}")
        self.epoch += 1
        if not learning:
            return ""
        loss, accuracy = (total / learning).tolist()
        return f"validation loss {loss:.3f}, accuracy {100 * accuracy:.1f} %"

    def _set_rate(self, epoch: int, step: int) -> float:
        """The learning rate of the weights; its cosine spans the life of the supernet."""
        first, end = self.stage.span
        steps = self._levels.steps
        rate = learning_rate(self._recipe, end - first, epoch - first, step, steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _mixtures(self, now: float, level: Level) -> Sequence[Mixture]:
        mixtures = self.relaxation.mixtures(now / self._epochs, level)
        chance = self.stage.dropout(now)
        if not chance:
            return mixtures
        drop = (self._skips, chance, self._generator)
        return [replace(mixture, weights=without_skips(mixture, *drop)) for mixture in mixtures]

    def _architecture_step(self, now: float, rate: float) -> Tensor:
        """alpha <- Adam on the validation half; gives (loss, share of correct answers)."""
        assert self._architect is not None
        batch = self._levels.valid()
        mixtures = self._mixtures(now, "architecture")
        if self._parts.second_order is not None:
            logits, loss, gradients = self._unrolled(batch, mixtures, rate, now)
        else:
            with held(self._weights):
                logits, loss = self._loss(batch, mixtures, self._evaluate)
            charged = self._charged(loss, mixtures, now)
            gradients = slopes(charged, self._alphas)
        for alpha, gradient in zip(self._alphas, gradients, strict=True):
            alpha.grad = gradient
        self._architect.step()
        return torch.stack([loss.detach().float(), correct(logits, batch[1])])

    def _charged(self, loss: Tensor, mixtures: Sequence[Mixture], now: float) -> Tensor:
        """The loss with all penalties, which look at the first mixture."""
        return self._parts.charged(loss, mixtures[0], self.relaxation, now / self._epochs)

    def _unrolled(
        self, batch: Batch, mixtures: Sequence[Mixture], rate: float, now: float
    ) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """(logits, loss, gradients of alpha) through one step of the weights.

        Both losses are differentiated by the mixtures, and then these by alpha, so that a sampled
        mixture is the same one throughout. The training batch is that of the coming weight step.
        """
        assert self._parts.second_order is not None
        leaves = [_leaf(mixture) for mixture in mixtures]
        inputs = [t for m in leaves for t in (m.weights, m.edges) if t is not None]
        outputs = [t for m in mixtures for t in (m.weights, m.edges) if t is not None]
        momenta = [self._optimizer.state[w].get("momentum_buffer") for w in self._weights]
        settings = self._recipe.momentum, self._recipe.weight_decay
        step = Unrolled(self._weights, momenta, rate, *settings, self._parts.second_order)
        seen: list[Tensor] = []

        def valid() -> Tensor:
            logits, loss = self._loss(batch, leaves)
            seen.append(logits.detach())
            return loss

        upcoming = self._levels.upcoming()
        with preserved(self.supernet):
            loss, found = step.gradients(lambda: self._loss(upcoming, leaves)[1], valid, inputs)
        slope = loss.clone().requires_grad_()
        charged = self._charged(slope, mixtures, now)
        # d charged / d alpha = (d charged / d loss) (d loss / d alpha) + what the penalties add
        (factor,) = torch.autograd.grad(charged, [slope], retain_graph=True)
        through = sum((o * (factor * g)).sum() for o, g in zip(outputs, found, strict=True))
        total = through + charged - slope.detach() if self._parts.penalties else through
        assert isinstance(total, Tensor)
        return seen[-1], loss, torch.autograd.grad(total, self._alphas)

    def _weight_step(self, now: float) -> None:
        """w <- SGD on the training half, alpha held."""
        batch = self._levels.train()
        with torch.no_grad():
            mixtures = self._mixtures(now, "weights")
        if self._parts.perturbation is not None:
            mixtures = [self._perturbed(batch, mixture, now) for mixture in mixtures]
        self._descend(batch, mixtures)

    def _perturbed(self, batch: Batch, mixture: Mixture, now: float) -> Mixture:
        assert self._parts.perturbation is not None
        with preserved(self.supernet), held(self._weights):
            return self._parts.perturbation(
                mixture, lambda other: self._loss(batch, [other])[1], now / self._epochs
            )

    def _descend(self, batch: Batch, mixtures: Sequence[Mixture]) -> None:
        _, loss = self._loss(batch, mixtures, self._evaluate)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._recipe.gradient_clip < math.inf:
            torch.nn.utils.clip_grad_norm_(self._weights, self._recipe.gradient_clip)
        self._optimizer.step()

    def _loss(
        self, batch: Batch, mixtures: Sequence[Mixture], evaluate: Evaluate | None = None
    ) -> tuple[Tensor, Tensor]:
        """(logits of the first mixture, mean loss over all); by the supernet itself by default."""
        images, labels = batch
        evaluate = evaluate or self.supernet
        context: AbstractContextManager[Any] = nullcontext()
        if self._recipe.precision == "bfloat16":
            # A pass reads every weight once, so nothing is gained by keeping its rounded copy.
            context = torch.autocast(self._where, torch.bfloat16, cache_enabled=False)
        with context:
            logits = [evaluate(images, mixture) for mixture in mixtures]
            losses = [cross_entropy(found, labels) for found in logits]
        return logits[0], losses[0] if len(losses) == 1 else torch.stack(losses).mean()

    def loss(self, mixture: Mixture) -> float:
        """See `nascli.gradient.parts.Trained`."""
        self.supernet.train()
        with torch.no_grad(), preserved(self.supernet):
            return float(self._loss(self._levels.probe(), [mixture])[1])

    def tune(self, mixture: Mixture, share: float) -> None:
        """See `nascli.gradient.parts.Trained`; at the learning rate of the last epoch."""
        self.supernet.train()
        for _ in range(max(1, round(share * self._levels.steps))):
            self._descend(self._levels.train(), [mixture])

    def eigenvalue(self) -> float:
        """The largest one of the Hessian of the validation loss by alpha, on a fixed batch."""
        self.supernet.train()
        generator = seeded(self._problem.seed, "eigenvalue")
        with preserved(self.supernet), held(self._weights):
            mixtures = self.relaxation.mixtures(self.epoch / self._epochs, "architecture")
            _, loss = self._loss(self._levels.probe(), mixtures)
            return largest_eigenvalue(loss, self._alphas, generator)

    def state_dict(self) -> dict[str, Any]:
        """Everything that moves."""
        return {
            "epoch": self.epoch,
            "supernet": self.supernet.state_dict(),
            "relaxation": self.relaxation.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "architect": self._architect and self._architect.state_dict(),
            "streams": self._levels.state_dict(),
            "skips": self._generator.get_state(),
            "perturbation": self._parts.perturbation and self._parts.perturbation.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.epoch = int(state["epoch"])
        self.supernet.load_state_dict(state["supernet"])
        self.relaxation.load_state_dict(state["relaxation"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._architect is not None:
            self._architect.load_state_dict(state["architect"])
        self._levels.load_state_dict(state["streams"])
        self._generator.set_state(state["skips"])
        if self._parts.perturbation is not None:
            self._parts.perturbation.load_state_dict(state["perturbation"])


def _leaf(mixture: Mixture) -> Mixture:
    """The same values, to be differentiated by."""
    edges = mixture.edges
    return replace(
        mixture,
        weights=mixture.weights.detach().requires_grad_(),
        edges=None if edges is None else edges.detach().requires_grad_(),
    )
