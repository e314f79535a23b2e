"""Every step trains one path, drawn uniformly.

Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020 (arXiv
1904.00420), section 3.2; Li and Talwalkar, Random Search and Reproducibility for Neural
Architecture Search, UAI 2019 (arXiv 1902.07638), section 4.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import sample
from nascli.core.supernet import Supernet


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
        if rule not in (1, 2):
            raise Fault(f"the rule of the uniform sampler is {rule}; it must be 1 or 2")
        counts = torch.tensor([len(choice.options) for choice in supernet.choices])
        self._supernet, self._rule = supernet, rule
        self._generator = torch.Generator().manual_seed(seed)
        # Released versions drew architecture weights here; their searches are to be taken again.
        columns = torch.randn(len(counts), int(counts.max()), generator=self._generator).shape[1]
        self._absent = torch.arange(columns) >= counts[:, None]  # (edges, options)

    def paths(self, progress: float) -> Sequence[Genotype]:
        """One genotype, drawn alike at any progress."""
        del progress
        if self._rule == 2:
            seed = torch.randint(2**62, (1,), generator=self._generator)
            return (sample(self._supernet.space, random.Random(int(seed))),)
        drawn = torch.rand(self._absent.shape, generator=self._generator) + 1
        return (self._supernet.derive(drawn.masked_fill(self._absent, 0.0)),)

    def state_dict(self) -> dict[str, Any]:
        """Where the generator stands."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._generator.set_state(state["generator"])
