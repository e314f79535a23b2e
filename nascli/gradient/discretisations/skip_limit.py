"""The strongest options with a bound on skip connections.

Chen et al., P-DARTS, ICCV 2019 (arXiv 1904.12760), section 3.3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nascli.core.choice import SKIP
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.supernet import Mixture, unpriced
from nascli.gradient.discretisations import checks
from nascli.gradient.parts import Trained


class SkipLimit:
    """While a kind of cell has too many skip connections, the weakest of them is removed.

    Reduction cells are left alone, as published; in a space of one kind of cell it is that one.

    Args:
        problem: what is searched for.
        most: skip connections that a kind of cell may have; 2 are published.

    Raises:
        Fault: `most` is below 0.
    """

    at_the_end = False
    without_relaxation = False

    def __init__(self, problem: Problem, most: int = 2) -> None:
        del problem
        checks.skip_limit(most)
        self._most = most

    def __call__(self, trained: Trained) -> Genotype:
        """The genotype; it may have more where an edge or a constraint allows nothing else."""
        supernet = trained.supernet
        strengths = _offered(unpriced(trained.relaxation))
        for group in dict.fromkeys(choice.group for choice in supernet.choices):
            while group != "reduction":
                taken = _taken(trained, strengths, group)
                left = [place for place in taken if strengths[place] != _REMOVED]
                if len(taken) <= self._most or not left:
                    break
                strengths[min(left, key=lambda place: float(strengths[place]))] = _REMOVED
        return trained.derive(strengths)


_REMOVED, _ABSENT = -1.0, -2.0  # below all that is there, and below that


def _offered(mixture: Mixture) -> Tensor:
    """(choices, options): the strengths, of what an earlier stage has dropped the least of all."""
    if mixture.active is None:
        return mixture.strengths.clone()
    strengths = torch.full_like(mixture.strengths, _ABSENT)
    for row, numbers in enumerate(mixture.active):
        strengths[row, list(numbers)] = mixture.strengths[row, list(numbers)]
    return strengths


def _taken(trained: Trained, strengths: Tensor, group: str) -> list[tuple[int, int]]:
    """Where the genotype that `strengths` prefer has a skip connection: (choice, option)."""
    supernet = trained.supernet
    active = supernet.path(trained.derive(strengths)).active or ()
    return [
        (row, number)
        for row, (choice, numbers) in enumerate(zip(supernet.choices, active, strict=True))
        for number in numbers
        if choice.group == group and choice.options[number] == SKIP
    ]
