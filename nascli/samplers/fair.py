"""Every step trains every option of every choice once: strict fairness.

Chu et al., FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search,
ICCV 2021 (arXiv 1907.01845), section 3.3 and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from nascli.core.choice import NONE
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.supernet import Supernet
from nascli.samplers.drawing import Drawing


class Fair:
    """As many paths a step as a choice has options; at each choice they take one another's places.

    A choice with fewer options than the largest one has them drawn in order again until there are
    enough: within a step their counts differ by one at most, and which of them has one more is
    drawn. The paper's choices have all the same number.

    Args:
        supernet: whose paths are drawn.
        seed: of all draws.

    Raises:
        Fault: a genotype cannot take just any option at every choice.
    """

    def __init__(self, supernet: Supernet, seed: int) -> None:
        self._drawing = Drawing(supernet, seed)
        self._counts = [len(choice.options) for choice in supernet.choices]
        for number in range(max(self._counts)):
            self._check(supernet, [number % count for count in self._counts])

    def _check(self, supernet: Supernet, numbers: Sequence[int]) -> None:
        """Raises a Fault if the path of these options takes others, or none at some choice."""
        pairs = list(zip(supernet.choices, numbers, strict=True))
        wanted = tuple(() if choice.options[n] == NONE else (n,) for choice, n in pairs)
        genotype = self._drawing.taking(numbers)
        if supernet.path(genotype).active != wanted:
            raise Fault(
                "sampler=fair trains every option of every choice equally often, and genotypes of "
                f"space '{genotype.space}' leave choices out; take uniform or sandwich"
            )

    def paths(self, progress: float) -> Sequence[Genotype]:
        """Genotypes that together take every option of every choice, drawn alike at any progress.

        Algorithm 1, lines 5 to 9: an independent permutation of the options at every choice, and
        the k-th path takes the k-th of each.
        """
        del progress
        most = max(self._counts)
        orders = [self._order(count, most) for count in self._counts]  # (choices, paths)
        return [self._drawing.taking(numbers) for numbers in zip(*orders, strict=True)]

    def _order(self, count: int, most: int) -> list[int]:
        """Permutations of `count` options, one after another, `most` numbers of them."""
        found: list[int] = []
        while len(found) < most:
            found += torch.randperm(count, generator=self._drawing.generator).tolist()
        return found[:most]

    def state_dict(self) -> dict[str, Any]:
        """Where the draws stand."""
        return self._drawing.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._drawing.load_state_dict(state)
