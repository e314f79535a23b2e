"""Genotypes drawn at random through a supernet, which every sampler needs."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from nascli.core.genotype import Genotype
from nascli.core.space import sample
from nascli.core.supernet import Supernet


class Drawing:
    """Draws genotypes: as the space itself does, or those that random strengths prefer.

    Args:
        supernet: whose genotypes are drawn.
        seed: of all draws.
    """

    def __init__(self, supernet: Supernet, seed: int) -> None:
        counts = torch.tensor([len(choice.options) for choice in supernet.choices])
        self._supernet = supernet
        self.generator = torch.Generator().manual_seed(seed)
        # Released versions drew architecture weights here; their searches are to be taken again.
        columns = torch.randn(len(counts), int(counts.max()), generator=self.generator).shape[1]
        self._absent = torch.arange(columns) >= counts[:, None]  # (choices, options)

    def sampled(self) -> Genotype:
        """One genotype, drawn as the space draws."""
        seed = torch.randint(2**62, (1,), generator=self.generator)
        return sample(self._supernet.space, random.Random(int(seed)))

    def genotype(self, allowed: Mapping[str, Sequence[str]] | None = None) -> Genotype:
        """One that random strengths prefer, and so never `none` where anything else can be taken.

        `allowed` (name of a choice -> options) leaves other options out. Where every choice is a
        decision, all genotypes have the same chance.
        """
        absent = self._absent
        if allowed is not None:
            absent = absent.clone()
            for row, choice in zip(absent, self._supernet.choices, strict=True):
                within = allowed.get(choice.name, choice.options)
                row[: len(choice.options)] = torch.tensor([o not in within for o in choice.options])
        drawn = torch.rand(absent.shape, generator=self.generator) + 1
        return self._supernet.derive(drawn.masked_fill(absent, 0.0))

    def taking(self, numbers: Sequence[int]) -> Genotype:
        """The genotype that takes these options, one for every choice."""
        taken = torch.zeros(self._absent.shape)
        taken[torch.arange(len(numbers)), torch.tensor(numbers)] = 1.0
        return self._supernet.derive(taken)

    def state_dict(self) -> dict[str, Any]:
        """Where the generator stands."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.generator.set_state(state["generator"])
