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
from nascli.programs.reporting import Then, plain, write_report
from nascli.report.chart import Bar, Bars
from nascli.report.page import Content
from nascli.report.units import readable
from nascli.runs.folder import Run


@dataclass(frozen=True)
class Member:
    """One network of the family, and the problem that it is a network of: its images' size."""

    scale: Scale
    problem: Problem
    genotype: Genotype


def scale(
    run: Run, members: Mapping[str, Member], settings: Mapping[str, Any], then: Then = plain
) -> dict[str, Mapping[str, Any]]:
    """Counts every member, and writes it as NAME.json, all of them in report.json.

    Raises:
        Fault: the disk takes no more.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    for name, member in members.items():
        costs = costs_of(member.problem, member.genotype)
        rows[name] = {**asdict(member.scale), "costs": costs}
        run.write(f"{name}.json", genotypes.dump(member.genotype, scale=asdict(member.scale)))
    family = [{"network": name, **_flat(row)} for name, row in rows.items()]
    bars = [Bar(row["network"], row["macs"], readable("macs", row["macs"])) for row in family]
    report = {"verb": "scale", "family": rows}
    largest = f"genotype={run.path / list(rows)[-1]}.json"
    content = Content(
        {**report, "title": f"scale · {', '.join(rows)}"},
        {"macs_of_the_family": Bars("multiply-adds (MACs)", bars)},
        config=settings,
        layers=(),
        then=[("train a member from scratch:", then("retrain", largest))],
    )
    write_report(run, content)
    return rows


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in row.items() if key != "costs"}, **row["costs"]}
