"""What becomes of a training that diverges: it goes back, once, and takes a tenth of the step."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from nascli.core.fault import Stopped
from nascli.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

TENTH = 0.1
_LARGEST = 1e6  # no training that gets anywhere comes to such weights


class DivergedError(ArithmeticError):
    """A loss or a weight is no longer a number, or beyond all bounds."""


class Trains(Protocol):
    """What trains a supernet, epoch after epoch."""

    epoch: int
    """How many are over."""

    def train(self, scale: float = 1.0) -> str:
        """Trains one epoch with this share of every learning rate; says how it went.

        Raises:
            DivergedError: a weight is no longer a number, or beyond all bounds.
        """

    def state_dict(self) -> dict[str, Any]:
        """All that changes while it trains."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


def check(weights: Iterable[Tensor], what: str) -> None:
    """Looks at all of these weights at once; the host waits for the accelerator here.

    Raises:
        DivergedError: the largest absolute value is no number, or above a million.
    """
    import torch

    known = [weight.detach() for weight in weights]
    if not known:
        return
    largest = float(torch.stack([n.float() for n in torch._foreach_norm(known, math.inf)]).max())
    if not largest <= _LARGEST:
        raise DivergedError(f"the largest weight of the {what} is {largest:g}")


class Caution:
    """Trains epochs of a supernet; what diverges goes back to the last good epoch.

    It then goes on with a tenth of every learning rate, for good; the second time it stops.

    Args:
        recipe: whose settings are named.
        warn: told when it goes back.
        alphas: whether there are architecture weights too.
    """

    def __init__(
        self, recipe: Recipe, warn: Callable[[str], None], *, alphas: bool = False
    ) -> None:
        self._recipe, self._warn, self._alphas = recipe, warn, alphas
        self._scale = 1.0
        self._before: dict[str, Any] | None = None  # the state at the beginning of the epoch

    def epoch(self, trained: Trains) -> str:
        """Trains one epoch, or what is left of one; says how it went.

        Raises:
            Stopped: it has diverged for the second time; it is as it was after its last good epoch.
        """
        if self._before is None:
            self._before = copied(trained.state_dict())  # it has live tensors
        while True:
            try:
                said = trained.train(self._scale)
            except DivergedError as error:
                number = trained.epoch
                trained.load_state_dict(copied(self._before))
                if self._scale < 1.0:
                    self._before = None
                    words = again(number, error, self._recipe, alphas=self._alphas)
                    raise Stopped(words) from error
                self._scale = TENTH
                self._warn(back(number, error))
            else:
                self._before = None
                return said

    def state_dict(self) -> dict[str, Any]:
        """The share of the step, and in the middle of an epoch where to go back to."""
        return {"scale": self._scale, "before": self._before}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave; nothing, if an earlier version has saved it."""
        self._scale, self._before = float(state.get("scale", 1.0)), state.get("before")


def copied(state: Any) -> Any:
    """A state with tensors of its own: as `copy.deepcopy`, which takes several times as long."""
    import torch

    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if type(state) in (list, tuple):
        return type(state)(map(copied, state))
    if not isinstance(state, dict):
        return copy.deepcopy(state)
    found = copy.copy(state)  # a module's state knows its version besides
    found.update({key: copied(value) for key, value in state.items()})
    return found


def back(epochs: int, error: Exception) -> str:
    """What is said when a training goes back to the end of this many epochs."""
    where = f"to the end of epoch {epochs}" if epochs else "to the start"
    return f"epoch {epochs + 1} diverged ({error}): going back {where}, with a tenth of the step"


def again(epochs: int, error: Exception, recipe: Recipe, *, alphas: bool = False) -> str:
    """Why a training stops that diverges with a tenth of the step too, and what to change."""
    text = f"epoch {epochs + 1} diverged again, with a tenth of the step ({error}); start a new run"
    return f"{text} with {smaller(recipe, alphas=alphas)}"


def smaller(recipe: Recipe, *, alphas: bool = False) -> str:
    """Which settings to make smaller where a training diverges."""
    text = f"a smaller training.learning_rate (it is {recipe.learning_rate:g})"
    if alphas:
        own = recipe.architecture["learning_rate"]
        text += f", a smaller training.architecture.learning_rate (it is {own:g})"
    return f"{text} or a smaller training.gradient_clip (it is {recipe.gradient_clip:g})"
