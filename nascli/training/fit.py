"""The one ordinary training loop, and scoring."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nascli.core.budget import Budget, OutOfTime
from nascli.core.fault import Fault
from nascli.core.randomness import seed_of
from nascli.data.batches import batches, seeded
from nascli.data.split import Split
from nascli.training.augmentation import augmentation
from nascli.training.divergence import DivergedError, check
from nascli.training.recipe import Recipe, learning_rate


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
    scale: float = 1.0,
    budget: Budget | None = None,
    on_cut: Callable[[State], None] = lambda _state: None,
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
        scale: the share of the recipe's learning rate that is taken.
        budget: looked at before every step.
        on_cut: called with a checkpoint in the middle of an epoch when the budget's time is over.

    Returns:
        Every epoch, those before the checkpoint included.

    Raises:
        DivergedError: a loss or a weight is not finite at the end of an epoch.
        OutOfTime: the budget's time is over.
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
    begun: State = (state or {}).get("under_way", {})
    course = _Course(train, recipe, epochs, accelerator, seed, progress, scale, budget or Budget())

    def cut(under_way: State) -> None:
        on_cut({**_checkpoint(network, optimizer, epochs, history), "under_way": under_way})

    cuda = [torch.cuda.current_device()] if accelerator != "cpu" else []
    with torch.random.fork_rng(devices=cuda):
        for number in range(len(history), epochs):
            trained = course.epoch(network, optimizer, number, begun, cut)
            begun = {}
            validated = score(network, valid, accelerator) if valid is not None else None
            _check(number, network, trained, validated)
            rate = scale * learning_rate(recipe, epochs, number, 0, course.steps)
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
    scale: float
    budget: Budget

    @property
    def steps(self) -> int:
        """Batches an epoch; a last lone image is left out, as batch norm cannot train on it."""
        whole, rest = divmod(len(self.split), self.recipe.batch_size)
        return whole + (rest > (1 if whole else 0))

    def epoch(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        number: int,
        begun: State,
        cut: Callable[[State], None],
    ) -> Score:
        """One pass over the images; changes the global random state.

        `begun` is empty, or what `cut` was given when the time was over in this epoch.
        """
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
        if begun:
            tally.restore(begun["tally"])
            _set_random(begun["random"])
        for step, (images, labels) in enumerate(stream):
            if step < begun.get("step", 0):
                continue  # trained before a resume: taken only for what it has drawn
            if self.budget.seconds_left == 0:
                random = _random(self.accelerator)
                cut({"step": step, "tally": tally.state(), "random": random})
                raise OutOfTime
            self.progress(
                (number + step / steps) / self.epochs, f"epoch {number + 1}/{self.epochs}"
            )
            rate = self.scale * learning_rate(recipe, self.epochs, number, step, steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            tally.add(*self._step(network, optimizer, images, labels), labels)
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

    def state(self) -> list[float]:
        """What `restore` takes back."""
        return [float(self._loss), float(self._correct), self._count]

    def restore(self, state: Sequence[float]) -> None:
        """Goes on from where `state` was given."""
        self._loss.fill_(state[0])
        self._correct.fill_(state[1])
        self._count = int(state[2])

    def score(self) -> Score:
        """Their means."""
        return Score(float(self._loss) / self._count, 100 * float(self._correct) / self._count)


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
        optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # it would train the given one
        return [_epoch(**epoch) for epoch in state["history"]]
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise Fault(f"the checkpoint is of another network or recipe: {error}") from error


def _epoch(
    number: int, learning_rate: float, train: dict[str, float], valid: dict[str, float] | None
) -> Epoch:
    return Epoch(number, learning_rate, Score(**train), Score(**valid) if valid else None)
