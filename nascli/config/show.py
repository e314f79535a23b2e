"""The parts of `nas show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from nascli.config import building, deployment, recorded
from nascli.config.compose import Asked
from nascli.core import protocols
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.regular import is_there
from nascli.core.space import known
from nascli.data.task import Task
from nascli.genotypes import load
from nascli.runs.folder import Run

FRONT = "front"


@dataclass(frozen=True)
class Shown:
    """What is to be shown: genotypes by their names, the run folder if one is named (or None), and
    the folder that drawings are written to (None: they are not).
    """

    problem: Problem
    genotypes: Mapping[str, Genotype]
    folder: Path | None
    svg: Path | None


def build(asked: Asked) -> Shown:
    """The problem, and the genotypes that are to be shown.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config = asked.config
    problem, genotype = deployment.network(asked)
    named = str(config.genotype)
    folder = Path(named) if is_there(named) else None
    genotypes = {named: genotype}
    if config.front:
        files = sorted((folder / FRONT).glob("*.json"), key=_number) if folder else []
        if not files:
            raise Fault(f"'{named}' has no front: a search for several objectives finds one")
        genotypes = {f"trial {f.stem}": known(problem.space, load(str(f))) for f in files}
    return Shown(problem, genotypes, folder, Path(config.svg) if config.svg else None)


def data(asked: Asked) -> Task | None:
    """The data to be looked at, where these are given and no genotype is; else None.

    Raises:
        Fault: what is wrong with the data.
    """
    config = asked.config
    given = any(word.lstrip("+").startswith("data") for word in asked.overrides)
    if config.genotype or not given:
        return None
    building.absolute(config)
    return cast(Task, protocols.check(building.component(config, "data"), Task, "data"))


def looked_at(asked: Asked) -> Run:
    """The run folder for what was found in the data.

    Raises:
        Fault: it cannot be made.
    """
    return recorded.claimed(asked, "data")


def _number(file: Path) -> tuple[int, str]:
    return (int(file.stem) if file.stem.isdecimal() else 0), file.stem


check = build
