"""The one ordinary training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nascli.core.budget import Budget, OutOfTime
from nascli.core.randomness import seed_of
from nascli.data.batches import batches, seeded
from nascli.data.split import Split
from nascli.training.augmentation import augmentation
from nascli.training.divergence import DivergedError, check
from nascli.training.loss import dominant
from nascli.training.recipe import Recipe, learning_rate
from nascli.training.scoring import Score, Tally, score
from nascli.training.together import ALONE, Together
from nascli.training.under_way import Epoch, State, TrainingState, out_of_patience


def fit(
    network: nn.Module,
    train: Split,
    valid: Split | None,
    recipe: Recipe,
    *,
    epochs: int | None = None,
    accelerator: str = "cpu",
    seed: int = 0,
    on_epoch: Callable[[Epoch, State], None] = lambda _epoch, _state: None,
    progress: Callable[[float, str], None] = lambda _done, _text: None,
    state: State | None = None,
    scale: float = 1.0,
    budget: Budget | None = None,
    on_cut: Callable[[State], None] = lambda _state: None,
    together: Together = ALONE,
) -> tuple[Epoch, ...]:
    """Trains `network` in place on `train`, and validates it on `valid` after every epoch.

    All randomness follows from `seed` and the epoch's number, so that the same call trains alike
    whatever ran before, and a training that goes on from a checkpoint (on a CPU) bit for bit as if
    it had never stopped. A network in training mode may return a pair: logits and those of its
    auxiliary head. If it has an attribute `drop_path`, it is set to recipe.drop_path * epoch /
    epochs (epoch from 0). With an average of the weights, it is what is validated and what
    `network` ends with; with the recipe's patience (and `valid`), the best epoch's weights are.

    Args:
        network: images (B, C, H, W) -> logits (B, classes).
        train: the images to train on.
        valid: the images to validate on; None saves the time.
        recipe: how.
        epochs: in place of the recipe's; the learning rate's course is shrunk to them.
        accelerator: "cpu" or "cuda".
        seed: fixes order, augmentation and what the network draws; not the network's first weights.
        on_epoch: called with every epoch and a checkpoint, whose tensors live on: save it at once.
        progress: called before every step with the share of the training that is done.
        state: a checkpoint to go on from; tensors and plain values only.
        scale: the share of the recipe's learning rate that is taken.
        budget: looked at before every step.
        on_cut: called with a checkpoint in the middle of an epoch when the budget's time is over.
        together: the processes that train it, of which each calls this alike; all get the same.

    Returns:
        Every epoch, those before the checkpoint included.

    Raises:
        DivergedError: a loss or a weight is not finite at the end of an epoch.
        OutOfTime: the budget's time is over.
        Fault: the checkpoint is of another network or another number of epochs.
    """
    epochs = recipe.epochs if epochs is None else epochs
    network.to(accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = together.prepared(network, accelerator)
    course = _Course(
        train, recipe, epochs, accelerator, seed, progress, scale, budget or Budget(), together
    )
    trained = TrainingState(network, train, recipe, epochs, accelerator, together)
    begun: State = {}
    if state:
        trained.restore(state)
        begun = state.get("under_way", {})
    history = trained.history

    def cut(under_way: State) -> None:
        on_cut({**trained.checkpoint(), "under_way": under_way})

    cuda = [torch.cuda.current_device()] if accelerator != "cpu" else []
    with torch.random.fork_rng(devices=cuda):
        while len(history) < epochs and not out_of_patience(trained.accuracies, recipe.patience):
            number = len(history)
            found = course.epoch(trained, number, begun, cut)
            begun = {}
            together.level(network, trained.answer)
            validated = None
            if valid is not None:
                validated = score(trained.answer, valid, accelerator, together=together)
            _check(number, network, found, validated)
            rate = scale * learning_rate(recipe, epochs, number, 0, course.steps)
            history.append(Epoch(number + 1, rate, found, validated))
            trained.keep_best()
            on_epoch(history[-1], trained.checkpoint())
    trained.finish()
    return tuple(history)


@dataclass(frozen=True)
class _Course:
    """What stays the same from epoch to epoch."""

    split: Split
    recipe: Recipe
    epochs: int
    accelerator: str
    seed: int
    progress: Callable[[float, str], None]
    scale: float
    budget: Budget
    together: Together

    @property
    def steps(self) -> int:
        """Batches an epoch; a last lone image is left out, as batch norm cannot train on it."""
        whole, rest = divmod(len(self.split), self.recipe.batch_size)
        return whole + (rest // self.together.count > (1 if whole else 0))

    def epoch(
        self, trained: TrainingState, number: int, begun: State, cut: Callable[[State], None]
    ) -> Score:
        """One pass over the images; changes the global random state.

        `begun` is empty, or what `cut` was given when the time was over in this epoch.
        """
        recipe, steps, network = self.recipe, self.steps, trained.network
        rank = self.together.rank
        torch.manual_seed(seed_of(self.seed, "network", number, *([rank] if rank else [])))
        if hasattr(network, "drop_path"):
            network.drop_path = recipe.drop_path * number / self.epochs  # type: ignore[assignment]
        stream = batches(
            self.split,
            recipe.batch_size,
            self.accelerator,
            generator=seeded(self.seed, "batches", number),
            limit=steps,
            augment=augmentation(recipe, self.split),
            part=self.together.part,
        )
        network.train()
        tally = Tally(self.accelerator)
        if begun:
            tally.restore(begun["tally"])
            _set_random(begun["random"])
        for step, (images, labels) in enumerate(stream):
            if step < begun.get("step", 0):
                continue  # trained before a resume: taken only for what it has drawn
            done = step % recipe.accumulate  # batches of the step before this one
            if not done and self.budget.seconds_left == 0:
                random = _random(self.accelerator)
                cut({"step": step, "tally": tally.state(), "random": random})
                raise OutOfTime
            self.progress(
                (number + step / steps) / self.epochs, f"epoch {number + 1}/{self.epochs}"
            )
            if not done:
                rate = self.scale * learning_rate(recipe, self.epochs, number, step, steps)
                for group in trained.optimizer.param_groups:
                    group["lr"] = rate
                trained.optimizer.zero_grad()
            together = min(recipe.accumulate, steps - step + done)
            images, targets = trained.mixing(images, labels)
            loss, logits = self._gradients(trained, images, targets, 1 / together)
            if done + 1 == together:
                self._step(trained)
            tally.add(loss, logits, dominant(targets))
        return tally.all(self.together).score()

    def _gradients(
        self, trained: TrainingState, images: Tensor, targets: Tensor, share: float
    ) -> tuple[Tensor, Tensor]:
        """Adds to the gradients a share of those of one batch; gives its loss and the logits."""
        low = self.recipe.precision == "bfloat16"
        with torch.autocast(self.accelerator, torch.bfloat16, enabled=low):
            output = trained.run(images)
            loss = trained.loss(output, targets)
        (loss if share == 1 else share * loss).backward()  # type: ignore[no-untyped-call]
        logits = output[0] if isinstance(output, tuple) else output
        return loss.detach(), logits.detach()

    def _step(self, trained: TrainingState) -> None:
        """Descends along the gradients."""
        if self.recipe.gradient_clip < math.inf:
            # network.parameters() would walk every module
            weights = trained.optimizer.param_groups[0]["params"]
            nn.utils.clip_grad_norm_(weights, self.recipe.gradient_clip)
        trained.optimizer.step()
        if trained.average is not None:
            trained.average.update_parameters(trained.network)


def _check(number: int, network: nn.Module, trained: Score, validated: Score | None) -> None:
    """Raises a DivergedError if epoch `number` (from 0) leaves losses or weights beyond bounds."""
    losses = {"training": trained, **({"validation": validated} if validated else {})}
    for name, found in losses.items():
        if not math.isfinite(found.loss):
            raise DivergedError(f"the {name} loss of epoch {number + 1} is {found.loss}")
    check(network.parameters(), f"network after epoch {number + 1}")


def _random(accelerator: str) -> list[Tensor]:
    """The global random states that networks draw from."""
    here = [torch.get_rng_state()]
    return here if accelerator == "cpu" else [*here, torch.cuda.get_rng_state()]


def _set_random(states: Sequence[Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(states[1])
