"""The parts by which the methods of the family differ, as protocols.

Each is built as `Part(problem, **yaml)`, or `Part(problem, shared, **yaml)` if its class declares
the trait `weight_sharing`; for relaxations and samplers see `nascli.core.supernet`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nascli.core import protocols
from nascli.core.genotype import Genotype
from nascli.core.supernet import Mixture, Relaxation, SharedWeights, Supernet
from nascli.core.traits import traits_of

if TYPE_CHECKING:
    from torch import Tensor

    from nascli.core.problem import Problem


class Loss(Protocol):
    """The supernet's loss on the batch of a step, under a mixture; differentiable."""

    def __call__(self, mixture: Mixture, *, evaluating: bool = False) -> Tensor:
        """In training mode, or in evaluation mode, where batch norms take their running means."""


class Penalty(Protocol):
    """Something else that the architecture weights are to keep small."""

    def __call__(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """What an architecture step descends instead of `loss`; `progress` is from 0 to 1.

        `loss` has no dimensions; `mixture` is the step's first, with gradients to alpha.
        """


@runtime_checkable
class Leads(Protocol):
    """A penalty that acts on the architecture weights themselves."""

    def lead(self, relaxation: Relaxation) -> None:
        """Called when they are new, and after every architecture step."""


@runtime_checkable
class Tells(Protocol):
    """A penalty that says how the architecture weights stand to what it asks of them."""

    def readout(self, relaxation: Relaxation) -> Mapping[str, float]:
        """Metrics of an epoch."""


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
        """Whether `epoch`, just trained, is the last; `eigenvalue()` is expensive."""

    def readout(self) -> Mapping[str, float]:
        """What it has seen of this epoch, as metrics."""

    def state_dict(self) -> dict[str, Any]:
        """What it has seen."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


class Trained(Protocol):
    """A supernet in training, as a discretisation sees it; `epoch` counts the trained ones."""

    supernet: Supernet
    epoch: int

    @property
    def relaxation(self) -> Relaxation:
        """The architecture weights.

        Raises:
            Fault: a sampler draws the paths, and there are none.
        """

    def derive(self, strengths: Tensor) -> Genotype:
        """What the supernet derives; if that breaks a constraint, the strongest that keeps all.

        `strengths` are (choices, options). See `nascli.costs.within.Within.strongest`.
        """

    def nearest(self, genotype: Genotype) -> Genotype:
        """The genotype itself if it keeps the constraints, or one that has most in common."""

    def loss(self, mixture: Mixture) -> float:
        """On a fixed batch of the validation half, under its own batch-norm statistics."""

    def tune(self, mixture: Mixture, share: float) -> None:
        """Trains the weights under `mixture`, for a share of an epoch (at least one step)."""

    def adapt(self, decided: Callable[[Mixture], Mixture], share: float, done: float) -> None:
        """Trains both levels for a share of an epoch, where `decided` says what is settled.

        From now on every mixture is what `decided` makes of the relaxation's. `done` is the share
        of all such training that is over: at 0 the weights' optimizer begins anew, at a tenth of
        its learning rate, and from there a cosine falls to the recipe's last.
        """


class Discretisation(Protocol):
    """How a genotype is made of what a search has learnt.

    `at_the_end` says that it works only once, after the last epoch; before, the strongest options
    are proposed. `without_relaxation` says that it reads no architecture weights, so that it works
    under a sampler too.
    """

    at_the_end: bool
    without_relaxation: bool

    def __call__(self, trained: Trained) -> Genotype:
        """The genotype."""


def built(
    problem: Problem, shared: SharedWeights, part: Callable[..., Any] | None, protocol: type
) -> Any:
    """The part that a config's partial makes; None for none.

    Raises:
        Fault: it refuses its values, or lacks something that `protocol` asks for.
    """
    if part is None:
        return None
    made = part(problem, shared) if traits_of(part).weight_sharing else part(problem)
    return protocols.check(made, protocol, protocol.__name__.lower())
