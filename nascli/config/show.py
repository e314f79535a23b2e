"""The parts of `nas show`."""

from __future__ import annotations

from pathlib import Path

from nascli.config import building
from nascli.config.compose import Asked
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.regular import is_there


def build(asked: Asked) -> tuple[Problem, Genotype, Path | None]:
    """The problem, the genotype that is to be shown, and the run folder if it names one.

    Raises:
        Fault: everything that is wrong with the config.
    """
    problem, genotype = building.network(asked.config)
    named = str(asked.config.genotype)
    return problem, genotype, Path(named) if is_there(named) else None


check = build
