"""The parts by which the methods of the family differ, as protocols.

Each is built as `Part(problem, **yaml)`, but for a relaxation (see `nascli.core.supernet`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import Tensor

from nascli.core.genotype import Genotype
from nascli.core.supernet import Mixture, Relaxation, Supernet

if TYPE_CHECKING:
    from nascli.core.problem import Problem

Loss = Callable[[Mixture], Tensor]
"""The supernet's loss on the batch of a step, under a mixture; differentiable."""


class Penalty(Protocol):
    """Something else that the architecture weights are to keep small."""

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """What an architecture step descends instead of `loss`; `progress` is from 0 to 1."""


class Perturbation(Protocol):
    """Moves the mixture of a weight step, so that weights come to fit its neighbourhood."""

    def __call__(self, mixture: Mixture, loss: Loss, progress: float) -> Mixture:
        """The mixture to train under; detached."""

    def state_dict(self) -> dict[str, Any]:
        """Where its random draws stand."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


class Stopper(Protocol):
    """Ends a search before its weights have fitted too well.

    `back` says how many epochs before the stop the answer lies.
    """

    back: int

    def stops(self, epoch: int, eigenvalue: Callable[[], float]) -> bool:
        """Whether `epoch`, just trained, is the last; `eigenvalue()` is dear."""

    def readout(self) -> Mapping[str, float]:
        """What it has seen of this epoch, as metrics."""

    def state_dict(self) -> dict[str, Any]:
        """What it has seen."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


class Trained(Protocol):
    """A supernet in training, as a discretisation sees it; `epoch` counts the trained ones."""

    supernet: Supernet
    relaxation: Relaxation
    epoch: int

    def loss(self, mixture: Mixture) -> float:
        """On a fixed batch of the validation half, under its own batch-norm statistics."""

    def tune(self, mixture: Mixture, share: float) -> None:
        """Trains the weights under `mixture`, for a share of an epoch (at least one step)."""


class Discretisation(Protocol):
    """How a genotype is made of what a search has learnt.

    `at_the_end` says that it works only once, after the last epoch; before, the strongest options
    are proposed.
    """

    at_the_end: bool

    def __call__(self, trained: Trained) -> Genotype:
        """The genotype."""


SECOND_ORDER = ("finite_difference", "exact")
SecondOrder = Literal["finite_difference", "exact"]


@dataclass(frozen=True)
class Parts:
    """Those that an epoch needs; see `nascli.strategies.gradient.GradientSearch`."""

    relaxation: Callable[[Supernet, int], Relaxation]
    edge_normalisation: bool = False
    second_order: SecondOrder | None = None
    penalties: Sequence[Penalty] = ()
    perturbation: Perturbation | None = None
    cuda_graphs: bool = False

    def charged(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss with all penalties, in order."""
        for penalty in self.penalties:
            loss = penalty(loss, mixture, relaxation, progress)
        return loss


def built(problem: Problem, part: Callable[..., Any] | None) -> Any:
    """The part that a config's partial makes; None for none."""
    return None if part is None else part(problem)
