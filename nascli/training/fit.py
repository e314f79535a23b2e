"""The one ordinary training loop, and scoring."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nascli.core.fault import Fault
from nascli.core.randomness import seed_of
from nascli.data.batches import batches, seeded
from nascli.data.split import Split
from nascli.training.augmentation import augmentation
from nascli.training.recipe import Recipe, learning_rate


class DivergedError(ArithmeticError):
    """The training loss is no longer a number."""


@dataclass(frozen=True)
class Score:
    """The mean cross-entropy over some images, and the accuracy in percent."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch (numbered from 1) came to; accuracies in percent.

    The training figures are means over the epoch's augmented batches while the weights moved, the
    loss being the one that is minimised. `valid` is None where nothing was validated.
    """

    number: int
    learning_rate: float
    train: Score
    valid: Score | None


State = dict[str, Any]


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
) -> tuple[Epoch, ...]:
    """Trains `network` in place on `train`, and validates it on `valid` after every epoch.

    All randomness follows from `seed` and the epoch's number, so that the same call trains alike
    whatever ran before, and a training that goes on from a checkpoint (on a CPU) bit for bit as if
    it had never stopped. A network in training mode may return a pair: logits and those of its
    auxiliary head. If it has an attribute `drop_path`, it is set to recipe.drop_path * epoch /
    epochs (epoch from 0).

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

    Returns:
        Every epoch, those before the checkpoint included.

    Raises:
        DivergedError: the loss is not finite at the end of an epoch.
        Fault: the checkpoint is of another network or another number of epochs.
    """
    epochs = recipe.epochs if epochs is None else epochs
    network.to(accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
        fused=True,  # of 900 small tensors, a step takes 2 ms instead of 14
    )
    history = _restored(state, network, optimizer, epochs) if state else []
    course = _Course(train, recipe, epochs, accelerator, seed, progress)
    cuda = [torch.cuda.current_device()] if accelerator != "cpu" else []
    with torch.random.fork_rng(devices=cuda):
        for number in range(len(history), epochs):
            trained = course.epoch(network, optimizer, number)
            validated = score(network, valid, accelerator) if valid is not None else None
            rate = learning_rate(recipe, epochs, number, 0, course.steps)
            history.append(Epoch(number + 1, rate, trained, validated))
            on_epoch(history[-1], _checkpoint(network, optimizer, epochs, history))
    return tuple(history)


def score(
    network: nn.Module, split: Split, accelerator: str = "cpu", batch_size: int = 500
) -> Score:
    """Loss and accuracy of `network` (in eval mode) over all of `split`, in float32."""
    network.to(accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = network.training
    network.eval()
    tally = _Tally(accelerator)
    with torch.no_grad():
        for images, labels in batches(split, batch_size, accelerator):
            logits = network(images)
            tally.add(cross_entropy(logits, labels), logits, labels)
    network.train(training)
    return tally.score()


@dataclass(frozen=True)
class _Course:
    """What stays the same from epoch to epoch."""

    split: Split
    recipe: Recipe
    epochs: int
    accelerator: str
    seed: int
    progress: Callable[[float, str], None]

    @property
    def steps(self) -> int:
        """Batches an epoch; a last lone image is left out, as batch norm cannot train on it."""
        whole, rest = divmod(len(self.split), self.recipe.batch_size)
        return whole + (rest > (1 if whole else 0))

    def epoch(self, network: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> Score:
        """One pass over the images; changes the global random state."""
        recipe, steps = self.recipe, self.steps
        torch.manual_seed(seed_of(self.seed, "network", number))
        if hasattr(network, "drop_path"):
            network.drop_path = recipe.drop_path * number / self.epochs  # type: ignore[assignment]
        stream = batches(
            self.split,
            recipe.batch_size,
            self.accelerator,
            generator=seeded(self.seed, "batches", number),
            limit=steps,
            augment=augmentation(recipe, self.split),
        )
        network.train()
        tally = _Tally(self.accelerator)
        for step, (images, labels) in enumerate(stream):
            self.progress(
                (number + step / steps) / self.epochs, f"epoch {number + 1}/{self.epochs}"
            )
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, self.epochs, number, step, steps)
            tally.add(*self._step(network, optimizer, images, labels), labels)
        if not math.isfinite(tally.score().loss):
            raise DivergedError(f"the training loss of epoch {number + 1} is {tally.score().loss}")
        return tally.score()

    def _step(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Descends the loss of one batch; gives the loss and the logits."""
        recipe = self.recipe
        low = recipe.precision == "bfloat16"
        with torch.autocast(self.accelerator, torch.bfloat16, enabled=low):
            output = network(images)
            logits, *auxiliary = output if isinstance(output, tuple) else (output,)
            loss = cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
            for head in auxiliary:
                second = cross_entropy(head, labels, label_smoothing=recipe.label_smoothing)
                loss = loss + recipe.auxiliary_weight * second
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.gradient_clip < math.inf:
            weights = optimizer.param_groups[0]["params"]  # network.parameters() walks every module
            nn.utils.clip_grad_norm_(weights, recipe.gradient_clip)
        optimizer.step()
        return loss.detach(), logits.detach()


class _Tally:
    """Sums up batches on the accelerator, so that the host waits for it once, at the end."""

    def __init__(self, accelerator: str) -> None:
        self._loss, self._correct = torch.zeros(2, dtype=torch.float64, device=accelerator)
        self._count = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """A batch's mean loss and its logits (B, classes)."""
        self._loss += loss * len(labels)
        self._correct += (logits.argmax(1) == labels).sum()
        self._count += len(labels)

    def score(self) -> Score:
        """Their means."""
        return Score(float(self._loss) / self._count, 100 * float(self._correct) / self._count)


def _checkpoint(
    network: nn.Module, optimizer: torch.optim.Optimizer, epochs: int, history: Sequence[Epoch]
) -> State:
    return {
        "epochs": epochs,
        "history": [asdict(epoch) for epoch in history],
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def _restored(
    state: State, network: nn.Module, optimizer: torch.optim.Optimizer, epochs: int
) -> list[Epoch]:
    """Puts network and optimizer where the checkpoint stands; gives the epochs before it."""
    try:
        if state["epochs"] != epochs:
            raise Fault(f"the checkpoint is of {state['epochs']} epochs, not of {epochs}")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return [_epoch(**epoch) for epoch in state["history"]]
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise Fault(f"the checkpoint is of another network or recipe: {error}") from error


def _epoch(
    number: int, learning_rate: float, train: dict[str, float], valid: dict[str, float] | None
) -> Epoch:
    return Epoch(number, learning_rate, Score(**train), Score(**valid) if valid else None)
