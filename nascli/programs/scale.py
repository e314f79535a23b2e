"""A family of networks scaled from one genotype, and what each member costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nascli import genotypes
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.scaling import Scale
from nascli.programs.networks import costs_of
from nascli.runs.folder import REPORT, Run


@dataclass(frozen=True)
class Member:
    """One network of the family, and the problem that it is a network of: its images' size."""

    scale: Scale
    problem: Problem
    genotype: Genotype


def scale(run: Run, members: Mapping[str, Member]) -> dict[str, Mapping[str, Any]]:
    """Counts every member, and writes it as NAME.json, all of them in report.json.

    Raises:
        Fault: the disk takes no more.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    for name, member in members.items():
        costs = costs_of(member.problem, member.genotype)
        rows[name] = {**asdict(member.scale), "costs": costs}
        run.write(f"{name}.json", genotypes.dump(member.genotype, scale=asdict(member.scale)))
    run.write_json(REPORT, {"verb": "scale", "family": rows})
    return rows
