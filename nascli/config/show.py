"""The parts of `nas show`."""

from __future__ import annotations

from pathlib import Path

from nascli.config import building
from nascli.config.compose import Asked
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem


def build(asked: Asked) -> tuple[Problem, Genotype, Path]:
    """The problem, the genotype that is to be shown, and the run folder if it names one.

    Raises:
        Fault: everything that is wrong with the config.
    """
    problem, genotype = building.network(asked.config)
    return problem, genotype, Path(str(asked.config.genotype))


check = build
