"""A family of networks scaled from one genotype, and what each member costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

_SPACES = "space"  # where in the run folder the spaces are whose settings say how large they are


@dataclass(frozen=True)
class Member:
    """One network of the family, and the problem that it is a network of: its images' size.

    Where its space is another one than the base's, `words` choose it on the command line. Where no
    words can, `space` is its YAML file.
    """

    scale: Scale
    problem: Problem
    genotype: Genotype
    words: Sequence[str] = ()
    space: str = ""


@dataclass(frozen=True)
class Parts:
    """The members by their names, from the smallest on; `settings` is the config as plain data.

    `data` are the words of a command that name the images, at the largest member's size.
    """

    members: Mapping[str, Member]
    settings: Mapping[str, Any]
    data: Sequence[str] = ()
    then: Then = plain


def scale(run: Run, parts: Parts) -> dict[str, Mapping[str, Any]]:
    """Counts every member, and writes it as NAME.json, all of them in report.json.

    Raises:
        Fault: the disk takes no more.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    for name, member in parts.members.items():
        costs = costs_of(member.problem, member.genotype)
        rows[name] = {**asdict(member.scale), "costs": costs}
        run.write(f"{name}.json", genotypes.dump(member.genotype, scale=asdict(member.scale)))
        if member.space:
            run.write(f"{_SPACES}/{_option(name)}.yaml", member.space)
    family = [{"network": name, **_flat(row)} for name, row in rows.items()]
    bars = [Bar(row["network"], row["macs"], readable("macs", row["macs"])) for row in family]
    report = {"verb": "scale", "family": rows}
    content = Content(
        {**report, "title": f"scale · {', '.join(rows)}"},
        {"costs_of_the_family": Bars("multiply-adds (MACs)", bars)},
        config=parts.settings,
        layers=(),
        then=[("train a member from scratch:", following(run, parts))],
    )
    write_report(run, content)
    return rows


def following(run: Run, parts: Parts) -> str:
    """The command that trains the largest member on the data that the family was counted for."""
    name, member = list(parts.members.items())[-1]
    words = [f"genotype={run.path / name}.json", *member.words, *parts.data]
    if member.space:
        words = ["--config-dir", str(run.path), f"space={_option(name)}", *words]
    return f"{parts.then('retrain', *words)}   # {member.scale.resolution} pixels"


def _option(name: str) -> str:
    """A member's name as that of an option on the command line."""
    return name.replace("=", "_")


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in row.items() if key != "costs"}, **row["costs"]}
