"""A method of the family: what weighs or samples paths, and the parts of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nascli.core.estimator import Stateful
from nascli.core.fault import Fault, unknown
from nascli.core.space import SearchSpace
from nascli.core.supernet import Mixture, Relaxation, Sampler, Supernet
from nascli.gradient.parts import Leads, Penalty, Perturbation, Tells

if TYPE_CHECKING:
    from torch import Tensor

SECOND_ORDER = ("finite_difference", "exact")
SecondOrder = Literal["finite_difference", "exact"]


@dataclass(frozen=True)
class Method:
    """What an epoch needs; see `nascli.strategies.gradient.GradientSearch` for each.

    Either `relaxation` or `sampler` is given. A sampler leaves nothing to learn about the
    architecture, so no part of an architecture step goes with it.

    Raises:
        Fault: both or neither are given, or a sampler with what needs architecture weights.
    """

    relaxation: Callable[[Supernet, int], Relaxation] | None = None
    sampler: Callable[[Supernet, int], Sampler] | None = None
    edge_normalisation: bool = False
    second_order: SecondOrder | None = None
    penalties: Sequence[Penalty] = ()
    perturbation: Perturbation | None = None
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        if self.second_order is not None and self.second_order not in SECOND_ORDER:
            allowed = (*SECOND_ORDER, "null")
            raise Fault(unknown("strategy.second_order", self.second_order, allowed))
        if self.relaxation is None and self.sampler is None:
            raise Fault(
                "the strategy has neither relaxation nor sampler: take "
                "relaxation@strategy.relaxation=softmax or sampler@strategy.sampler=uniform"
            )
        if self.relaxation is not None and self.sampler is not None:
            raise Fault(
                "the strategy has a relaxation and a sampler; leave one of them out with "
                "~relaxation@strategy.relaxation or ~sampler@strategy.sampler"
            )
        if self.sampler is not None and self._needing():
            raise Fault(
                f"strategy.{', strategy.'.join(self._needing())} needs architecture weights, and a "
                "sampler has none: leave it out, or take a relaxation and "
                "~sampler@strategy.sampler"
            )

    def _needing(self) -> list[str]:
        given = {
            "edge_normalisation": self.edge_normalisation,
            "second_order": self.second_order is not None,
            "penalties": bool(self.penalties),
            "perturbation": self.perturbation is not None,
        }
        return [name for name, there in given.items() if there]

    def lead(self, relaxation: Relaxation) -> None:
        """Has penalties do what they do to the architecture weights, which have changed."""
        for penalty in self.penalties:
            if isinstance(penalty, Leads):
                penalty.lead(relaxation)

    def readout(self, relaxation: Relaxation) -> dict[str, float]:
        """What penalties tell of the architecture weights."""
        told = [p.readout(relaxation) for p in self.penalties if isinstance(p, Tells)]
        return {name: value for one in told for name, value in one.items()}

    def state_dict(self) -> list[dict[str, Any] | None]:
        """What penalties have learnt; None of those that do not."""
        return [p.state_dict() if isinstance(p, Stateful) else None for p in self.penalties]

    def load_state_dict(self, states: Sequence[dict[str, Any] | None]) -> None:
        """Takes back what `state_dict` gave."""
        for penalty, state in zip(self.penalties, states, strict=False):
            if isinstance(penalty, Stateful) and state is not None:
                penalty.load_state_dict(state)

    def penalised(
        self, loss: Tensor, mixture: Mixture, relaxation: Relaxation, progress: float
    ) -> Tensor:
        """The loss with all penalties, in order."""
        for penalty in self.penalties:
            loss = penalty(loss, mixture, relaxation, progress)
        return loss


def check_mixes(space: SearchSpace, *, sizes: bool) -> None:
    """Raises a Fault if what is to be mixed are sizes."""
    if sizes:
        raise Fault(
            f"the strategy mixes options, and those of space '{space.name}' are sizes, "
            "which do not mix: take estimator=one_shot, whose samplers draw one network at a time, "
            "with a strategy such as evolution"
        )
