"""Every step trains the largest path, the smallest, and random ones between them.

Yu et al., BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage Models, ECCV 2020
(arXiv 2003.11142), section 3.1; the sandwich rule and in-place distillation are those of Yu and
Huang, Universally Slimmable Networks, ICCV 2019 (arXiv 1903.05134).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.supernet import Sized, Supernet
from nascli.core.traits import Traits
from nascli.samplers.checks import sandwich as check
from nascli.samplers.drawing import Drawing


class Sandwich:
    """The largest path learns from the labels, the others from what it says (its soft labels).

    Left aside of the paper: its initialisation of residual blocks, dropout and weight decay for the
    largest network alone, and the exponential learning rate.

    Args:
        supernet: whose paths are drawn; it knows its largest and its smallest network.
        seed: of all draws.
        random: how many paths besides those two; the paper has two.

    Raises:
        Fault: `random` is below 0, or the supernet does not know its ends.
    """

    traits = Traits(distils="first")

    def __init__(self, supernet: Supernet, seed: int, random: int = 2) -> None:
        check(random)
        if not isinstance(supernet, Sized):
            raise Fault(
                f"sampler=sandwich asks for the largest and the smallest network, and "
                f"{type(supernet).__name__} has no largest() and smallest(); take uniform or fair"
            )
        self._drawing, self._random = Drawing(supernet, seed), random
        self._ends = supernet.largest(), supernet.smallest()

    def paths(self, progress: float) -> Sequence[Genotype]:
        """The largest, the smallest, and the random ones; drawn alike at any progress."""
        del progress
        return [*self._ends, *(self._drawing.sampled() for _ in range(self._random))]

    def state_dict(self) -> dict[str, Any]:
        """Where the draws stand."""
        return self._drawing.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._drawing.load_state_dict(state)
