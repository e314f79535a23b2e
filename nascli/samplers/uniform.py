"""Every step trains one path, drawn uniformly.

Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020 (arXiv
1904.00420), section 3.2; Li and Talwalkar, Random Search and Reproducibility for Neural
Architecture Search, UAI 2019 (arXiv 1902.07638), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.supernet import Supernet
from nascli.samplers.checks import uniform as check
from nascli.samplers.drawing import Drawing


class Uniform:
    """Draws from the space itself, as whoever scores random paths does; nothing is learnt.

    Args:
        supernet: whose paths are drawn.
        seed: of all draws.
        rule: 2; or 1, which earlier versions drew by: what random strengths prefer, and so never
            `none` where anything else could be taken. A run folder of theirs goes on with it.

    Raises:
        Fault: there is no such rule.
    """

    def __init__(self, supernet: Supernet, seed: int, rule: int = 1) -> None:
        check(rule)
        self._drawing, self._rule = Drawing(supernet, seed), rule

    def paths(self, progress: float) -> Sequence[Genotype]:
        """One genotype, drawn alike at any progress."""
        del progress
        return (self._drawing.genotype() if self._rule == 1 else self._drawing.sampled(),)

    def state_dict(self) -> dict[str, Any]:
        """Where the draws stand."""
        return self._drawing.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._drawing.load_state_dict(state)
