"""Training the weights of a supernet: SGD under the mixtures of every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nascli.core.supernet import Mixture, Supernet
from nascli.data.batches import Batch
from nascli.training.optimizers import SGD
from nascli.training.recipe import Recipe, learning_rate

Evaluate = Callable[[Tensor, Mixture], Tensor]
"""Images (B, C, H, W) and a mixture -> logits (B, classes)."""


class WeightTraining:
    """The optimizer of a supernet's weights, and a step of it.

    Args:
        supernet: whose weights are trained; parameters that it gets later are not.
        recipe: learning rate and its course, momentum, weight decay, clipping, precision.
        accelerator: "cpu" or "cuda", where the supernet is.
    """

    def __init__(self, supernet: Supernet, recipe: Recipe, accelerator: str) -> None:
        self.evaluate: Evaluate = supernet
        """How steps evaluate the supernet; replaced where passes are recorded for a GPU."""
        self.scale = 1.0
        """The share of the recipe's learning rate that is taken."""
        self._supernet, self._recipe, self._accelerator = supernet, recipe, accelerator
        self.weights = [p for p in supernet.parameters() if p.requires_grad]
        self.optimizer = SGD(
            self.weights,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
            fused=True,
        )
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forgets the momentum."""
        if self._recipe.momentum:  # fused SGD wants it of all weights or none; paths step on some
            for weight in self.weights:
                self.optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)

    def set_rate(self, epochs: int, epoch: int, step: int, steps: int) -> float:
        """Sets and gives the learning rate of a step (of `steps`) of an epoch (of `epochs`)."""
        return self._set(learning_rate(self._recipe, epochs, epoch, step, steps))

    def anneal(self, done: float) -> float:
        """Sets and gives the learning rate of a tuning of which the share `done` is over.

        From a tenth of the recipe's, by a cosine, to the recipe's last if that is less.
        """
        first = self._recipe.learning_rate / 10
        last = min(first, self._recipe.final_learning_rate)
        return self._set(last + (first - last) * (1 + math.cos(math.pi * done)) / 2)

    def _set(self, rate: float) -> float:
        rate *= self.scale
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def step(self, batch: Batch, mixtures: Sequence[Mixture]) -> Tensor:
        """w <- SGD on the mean loss over the mixtures; gives that loss, detached."""
        _, loss = self.loss(batch, mixtures, self.evaluate)
        return self.descend([loss])

    def descend(self, losses: Iterable[Tensor]) -> Tensor:
        """w <- SGD on the sum of the losses; gives their mean, detached.

        Each is gone back through before the next is asked for: a generator of losses never needs
        the memory of two.
        """
        self.optimizer.zero_grad(set_to_none=True)
        total: list[Tensor] = []
        for loss in losses:
            loss.backward()  # type: ignore[no-untyped-call]
            total.append(loss.detach())
        if self._recipe.gradient_clip < math.inf:
            torch.nn.utils.clip_grad_norm_(self.weights, self._recipe.gradient_clip)
        self.optimizer.step()
        return total[0] if len(total) == 1 else torch.stack(total).mean()

    def forget(self) -> None:
        """Momenta are zero again, as those of weights that have changed places must be."""
        for weight in self.weights:
            momentum = self.optimizer.state[weight].get("momentum_buffer")
            if momentum is not None:
                momentum.zero_()

    def loss(
        self, batch: Batch, mixtures: Sequence[Mixture], evaluate: Evaluate | None = None
    ) -> tuple[Tensor, Tensor]:
        """(logits (B, classes) of the first mixture, mean cross-entropy over all of them).

        The supernet itself is evaluated, unless `evaluate` says how.
        """
        images, labels = batch
        evaluate = evaluate or self._supernet
        context: AbstractContextManager[Any] = nullcontext()
        if self._recipe.precision == "bfloat16":
            # A pass reads every weight once, so nothing is gained by keeping its rounded copy.
            context = torch.autocast(self._accelerator, torch.bfloat16, cache_enabled=False)
        with context:
            logits = [evaluate(images, mixture) for mixture in mixtures]
            losses = [cross_entropy(found, labels) for found in logits]
        return logits[0], losses[0] if len(losses) == 1 else torch.stack(losses).mean()

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.optimizer.load_state_dict(state)
