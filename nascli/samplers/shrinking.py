"""Progressive shrinking: the largest network first, then stage by stage the smaller sizes too.

Cai et al., Once-for-All: Train One Network and Specialize It for Efficient Deployment, ICLR 2020
(arXiv 1908.09791), section 3.2 and figure 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascli.core.genotype import Genotype
from nascli.core.supernet import Elastic, Supernet
from nascli.core.supernet import Shrinking as Stage
from nascli.core.traits import Traits
from nascli.samplers.checks import shrinking as check
from nascli.samplers.drawing import Drawing


class Shrinking:
    """Draws from what the stage of the training lets in; all learn from the largest network too.

    Departures: one course of the learning rate through all stages, which take equal shares of the
    training; the paper starts each anew, lower, and gives some more epochs than others. The same
    number of paths in every stage; the paper has one for kernels, two for depths, four for widths.

    Args:
        supernet: whose paths are drawn; its sizes are elastic.
        seed: of all draws.
        largest: the share of the training in which the largest network is trained alone.
        random: how many paths a step in the stages after that.

    Raises:
        Fault: a value makes no sense, or the supernet has no elastic sizes.
    """

    traits = Traits(distils="largest")

    def __init__(
        self, supernet: Supernet, seed: int, largest: float = 0.3, random: int = 2
    ) -> None:
        check(largest, random, elastic=isinstance(supernet, Elastic))
        assert isinstance(supernet, Elastic)
        self._drawing, self._random, self._share = Drawing(supernet, seed), random, largest
        self._largest, self._stages = supernet.largest(), tuple(supernet.stages)

    def stage(self, progress: float) -> Stage | None:
        """The stage that a step at `progress` is of; None while the largest is trained alone."""
        if progress < self._share or not self._stages:
            return None
        done = (progress - self._share) / (1 - self._share) * len(self._stages)
        return self._stages[min(int(done), len(self._stages) - 1)]

    def paths(self, progress: float) -> Sequence[Genotype]:
        """The largest genotype, or random ones of what the stage lets in."""
        stage = self.stage(progress)
        if stage is None:
            return (self._largest,)
        return [self._drawing.genotype(stage.options) for _ in range(self._random)]

    def state_dict(self) -> dict[str, Any]:
        """Where the draws stand."""
        return self._drawing.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._drawing.load_state_dict(state)
