"""How far a training is: the weights, all that moves with them, and the epochs behind it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nascli.core.fault import Fault
from nascli.data.split import Split
from nascli.training.average import averaged
from nascli.training.loss import Loss, mixing
from nascli.training.optimizers import SGD
from nascli.training.recipe import Recipe
from nascli.training.scoring import Score
from nascli.training.together import ALONE, Together


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


def out_of_patience(accuracies: Sequence[float], patience: int) -> bool:
    """Whether so many epochs in a row (0: never) were no better than the best before them."""
    return bool(patience) and len(accuracies) - 1 - best_of(accuracies) >= patience


def best_of(accuracies: Sequence[float]) -> int:
    """Which one is the highest, the first of equals; -1 of none."""
    return max(range(len(accuracies)), key=lambda n: (accuracies[n], -n), default=-1)


class TrainingState:
    """A network, and all that moves with it while it is trained."""

    def __init__(
        self,
        network: nn.Module,
        split: Split,
        recipe: Recipe,
        epochs: int,
        accelerator: str,
        together: Together = ALONE,
    ) -> None:
        self.network, self._recipe, self._epochs = network, recipe, epochs
        called = together.wrapped(network, accelerator, split.shape)
        self.run: Callable[[Tensor], Any] = torch.compile(called) if recipe.compile else called
        self.optimizer = SGD(
            network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
            fused=True,  # of 900 small tensors, a step takes 2 ms instead of 14
        )
        self.loss = Loss(recipe, split, accelerator)
        self.mixing = mixing(recipe, split)
        self.average = averaged(network, recipe.average) if recipe.average else None
        self.history: list[Epoch] = []
        self._best: State = {}  # the weights of the best epoch so far

    @property
    def answer(self) -> nn.Module:
        """What is validated: the average of the weights, if there is one."""
        if self.average is None:
            return self.network
        module: nn.Module = self.average.module
        return module

    @property
    def accuracies(self) -> list[float]:
        """Of the validation, an epoch after the other."""
        return [epoch.valid.accuracy for epoch in self.history if epoch.valid is not None]

    def keep_best(self) -> None:
        """Keeps the weights of the last epoch, if they are wanted and the best so far."""
        found = self.accuracies
        if self._recipe.patience and found and best_of(found) == len(found) - 1:
            self._best = copy.deepcopy(self.answer.state_dict())

    def finish(self) -> None:
        """Puts into the network what the training is for."""
        answer = self._best or (self.answer.state_dict() if self.average is not None else {})
        if answer:
            self.network.load_state_dict(answer)

    def checkpoint(self) -> State:
        """What `restore` takes back; its tensors live on."""
        found = {
            "epochs": self._epochs,
            "history": [asdict(epoch) for epoch in self.history],
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.average is not None:
            found["average"] = self.average.state_dict()
        return {**found, "best": self._best} if self._best else found

    def restore(self, state: State) -> None:
        """Puts everything where the checkpoint stands.

        Raises:
            Fault: the checkpoint is of another network, recipe or number of epochs.
        """
        try:
            if state["epochs"] != self._epochs:
                raise Fault(f"the checkpoint is of {state['epochs']} epochs, not of {self._epochs}")
            self.network.load_state_dict(state["network"])
            # A copy, for it would train the given one.
            self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self._best = dict(state.get("best", {}))
            self.history += [_epoch(**epoch) for epoch in state["history"]]
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise Fault(f"the checkpoint is of another network or recipe: {error}") from error


def _epoch(
    number: int, learning_rate: float, train: dict[str, float], valid: dict[str, float] | None
) -> Epoch:
    return Epoch(number, learning_rate, Score(**train), Score(**valid) if valid else None)


def over(rows: Sequence[Mapping[str, float]], recipe: Recipe) -> bool:
    """Whether these are all epochs of a training."""
    accuracies = [row["valid_accuracy"] for row in rows if "valid_accuracy" in row]
    return len(rows) == recipe.epochs or out_of_patience(accuracies, recipe.patience)


def row(epoch: Mapping[str, Any]) -> dict[str, float]:
    """One epoch of the report."""
    row = {
        "epoch": epoch["number"],
        "learning_rate": epoch["learning_rate"],
        "train_loss": epoch["train"]["loss"],
        "train_accuracy": epoch["train"]["accuracy"],
    }
    if epoch["valid"] is not None:
        valid = epoch["valid"]
        row |= {"valid_loss": valid["loss"], "valid_accuracy": valid["accuracy"]}
    return row


def line(epoch: Epoch) -> str:
    """One epoch of the log."""
    text = f"epoch {epoch.number}: training loss {epoch.train.loss:.3f}"
    text += f", accuracy {epoch.train.accuracy:.2f} %"
    return f"{text}, validation {epoch.valid.accuracy:.2f} %" if epoch.valid else text
