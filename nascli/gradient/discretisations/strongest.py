"""The strongest options, by the space's own rule.

Liu et al., DARTS, ICLR 2019 (arXiv 1806.09055), section 2.4.
"""

from __future__ import annotations

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.supernet import unpriced
from nascli.gradient.parts import Trained


class Strongest:
    """What is derived from the mixture that the search has come to."""

    at_the_end = False
    without_relaxation = False

    def __init__(self, problem: Problem) -> None:
        del problem

    def __call__(self, trained: Trained) -> Genotype:
        """The genotype."""
        return trained.derive(unpriced(trained.relaxation).strengths)
