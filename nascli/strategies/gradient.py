"""Gradient search: the supernet's weights and the architecture weights, trained in turn.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019 (arXiv 1806.09055), Algorithm 1,
first-order approximation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, Relaxation
from nascli.core.trial import History, Proposal, Trial
from nascli.data.batches import Endless, halves
from nascli.training.augmentation import augmentation
from nascli.training.recipe import learning_rate


class GradientSearch:
    """Each `ask` trains one epoch and proposes the genotype that the architecture weights prefer.

    One half of the training split moves the weights w, the other the architecture weights alpha,
    a batch of each in turn: alpha descends L_val(w, alpha), then w descends L_train(w, alpha)
    (first order: xi = 0 in eq. 7). The architecture step asks for gradients of alpha alone, so it
    leaves none on w. The recipe is the problem's `training`: its `architecture` entry holds
    alpha's Adam.

    Departure: the answer is the epoch whose genotype scored best on the validation split, which no
    step has seen, and not the last epoch's.

    Args:
        problem: what is searched for; its space needs a supernet.
        relaxation: `relaxation(edges, seed)` gives the architecture weights.
    """

    weight_sharing = True

    def __init__(self, problem: Problem, relaxation: Callable[..., Relaxation]) -> None:
        task: Any = problem.task
        task.split("train")  # data that are not there should be missed before anything starts
        self._problem = problem
        self._recipe = problem.training
        self._relax = relaxation
        self._epoch = 0
        self._parts: _Bilevel | None = None

    @property
    def epochs(self) -> int:
        """How many epochs the recipe asks for; each is one trial."""
        return max(1, round(self._problem.fidelity * int(self._recipe.epochs)))

    def ask(self, limit: int) -> Sequence[Proposal]:
        """One epoch of training, then one proposal; none once the recipe's epochs are over."""
        if limit < 1 or self._epoch >= self.epochs:
            return ()
        strengths = self._bilevel().epoch(self._epoch)
        self._epoch += 1
        genotype = self._problem.supernet.derive(strengths)
        return [Proposal(genotype, self._problem.fidelity)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """The weights have learnt already."""

    def recommend(self, history: History) -> Genotype | None:
        """The best-validation epoch's genotype."""
        return history.answer(self._problem)

    def state_dict(self) -> dict[str, Any]:
        """Weights, architecture weights, both optimizers, both streams of batches, the epoch."""
        return {"epoch": self._epoch, "bilevel": self._bilevel().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._epoch = int(state["epoch"])
        self._bilevel().load_state_dict(state["bilevel"])

    def _bilevel(self) -> _Bilevel:
        if self._parts is None:
            self._parts = _Bilevel(self._problem, self._relax, self.epochs)
        return self._parts


class _Bilevel:
    """Two optimizers on one supernet."""

    def __init__(self, problem: Problem, relax: Callable[..., Relaxation], epochs: int) -> None:
        recipe, where, seed = problem.training, problem.accelerator, problem.seed
        self._problem, self._recipe, self._epochs, self._where = problem, recipe, epochs, where
        self._supernet = problem.supernet
        self._supernet.to(memory_format=torch.channels_last)
        self._relaxation = relax(self._supernet.edges, seed).to(where)
        problem.relaxation = self._relaxation
        self._weights = [p for p in self._supernet.parameters() if p.requires_grad]
        self._alphas = list(self._relaxation.parameters())
        self._optimizer = torch.optim.SGD(
            self._weights,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
            fused=True,
        )
        self._architect = torch.optim.Adam(
            self._alphas,
            lr=recipe.architecture["learning_rate"],
            betas=tuple(recipe.architecture["betas"]),
            weight_decay=recipe.architecture["weight_decay"],
        )
        task: Any = problem.task
        for_weights, for_alphas = halves(task.split("train"), seed)
        augment = augmentation(recipe, for_weights)
        size = min(recipe.batch_size, len(for_weights), len(for_alphas))
        self._steps = max(1, len(for_weights) // size)
        self._streams = [
            Endless(split, size, where, seed=2 * seed + number, augment=augment)
            for number, split in enumerate((for_weights, for_alphas))
        ]

    def epoch(self, number: int) -> Tensor:
        """Trains one epoch; gives the strengths (edges, options) after it."""
        self._supernet.train()
        total = torch.zeros(2, device=self._where)  # loss and correct answers of the alpha batches
        for step in range(self._steps):
            progress = (number + step / self._steps) / self._epochs
            rate = learning_rate(self._recipe, self._epochs, number, step, self._steps)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            total += self._architecture_step(progress)
            self._weight_step(progress)
            self._problem.progress(step / self._steps, f"epoch {number + 1}/{self._epochs}")
        loss, accuracy = (total / self._steps).tolist()
        text = f"supernet: validation loss {loss:.3f}, accuracy {100 * accuracy:.1f} %"
        self._problem.progress(1.0, f"epoch {number + 1}/{self._epochs}, {text}")
        return self._relaxation.strengths()

    def _architecture_step(self, progress: float) -> Tensor:
        """alpha <- Adam on the validation half; gives (loss, share of correct answers)."""
        images, labels = self._streams[1].next()
        logits, loss = self._loss(images, labels, self._relaxation.mixtures(progress)[0])
        gradients = torch.autograd.grad(loss, self._alphas)
        for alpha, gradient in zip(self._alphas, gradients, strict=True):
            alpha.grad = gradient
        self._architect.step()
        correct = (logits.detach().argmax(1) == labels).float().mean()
        return torch.stack([loss.detach().float(), correct])

    def _weight_step(self, progress: float) -> None:
        """w <- SGD on the training half, alpha held."""
        images, labels = self._streams[0].next()
        with torch.no_grad():
            mixture = self._relaxation.mixtures(progress)[0]
        _, loss = self._loss(images, labels, mixture)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._recipe.gradient_clip < math.inf:
            torch.nn.utils.clip_grad_norm_(self._weights, self._recipe.gradient_clip)
        self._optimizer.step()

    def _loss(self, images: Tensor, labels: Tensor, mixture: Mixture) -> tuple[Tensor, Tensor]:
        low = self._recipe.precision == "bfloat16"
        with torch.autocast(self._where, torch.bfloat16) if low else nullcontext():
            logits = self._supernet(images, mixture)
            return logits, cross_entropy(logits, labels)

    def state_dict(self) -> dict[str, Any]:
        return {
            "supernet": self._supernet.state_dict(),
            "relaxation": self._relaxation.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "architect": self._architect.state_dict(),
            "streams": [stream.state_dict() for stream in self._streams],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._supernet.load_state_dict(state["supernet"])
        self._relaxation.load_state_dict(state["relaxation"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._architect.load_state_dict(state["architect"])
        for stream, kept in zip(self._streams, state["streams"], strict=True):
            stream.load_state_dict(kept)
