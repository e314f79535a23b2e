"""A family of networks scaled from one genotype, and what each member costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nascli import genotypes
from nascli.core.scaling import SPACES, option
from nascli.core.words import command
from nascli.programs import grid
from nascli.programs.grid import Found, Grid, Member
from nascli.programs.networks import costs_of
from nascli.programs.reporting import Then, write_report
from nascli.report import families as words
from nascli.report import trials
from nascli.report.chart import Bar, Bars
from nascli.report.page import Content
from nascli.report.units import readable
from nascli.runs.folder import Run


@dataclass(frozen=True)
class Parts:
    """The members by their names, from the smallest on; `settings` is the config as plain data.

    With a `grid` they are its candidates, and the family is what it finds. `data` are the words of
    a command that name the images, at so many pixels. `only` is the side of images that have one
    size.
    """

    members: Mapping[str, Member]
    settings: Mapping[str, Any]
    data: Callable[[int], Sequence[str]] = lambda _pixels: ()
    only: int | None = None
    then: Then = command
    grid: Grid | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it: the report, and the command that trains the largest member."""

    report: Mapping[str, Any]
    following: str


def scale(run: Run, parts: Parts) -> Outcome:
    """Counts every member, and writes it as NAME.json, all of them in report.json.

    With a grid the constants of the family are found before, by training.

    Raises:
        Fault: the disk takes no more, or no candidate of a grid could be trained.
    """
    found = None if parts.grid is None else grid.search(run, parts.grid)
    families = {"": parts.members} if found is None else found.families
    every = {m.network: m for members in families.values() for m in members.values()}
    costs = {network: costs_of(m.problem, m.genotype) for network, m in every.items()}
    rows = {
        family: {name: _row(member, costs[member.network], found) for name, member in named.items()}
        for family, named in families.items()
    }
    own, members = next(iter(rows.values())), next(iter(families.values()))
    for name, member in members.items():
        told = {**asdict(member.scale), "space": member.settings}
        run.write(f"{name}.json", genotypes.dump(member.genotype, scale=told))
        if member.space:
            run.write(f"{SPACES}/{option(name)}.yaml", member.space)
    report: dict[str, Any] = {"verb": "scale", "family": own}
    bars = [
        Bar(n, row["costs"]["macs"], readable("macs", row["costs"]["macs"]))
        for n, row in own.items()
    ]
    following = _following(run, parts, members)
    more: dict[str, Any] = {}
    if found is not None:
        report |= {
            "chosen": found.chosen,
            "beside": {f: r for f, r in rows.items() if r is not own},
        }
        report |= {"candidates": found.candidates, "ended": found.ended}
        more["trials"] = trials.table(found.history, ("accuracy", "width", "depth", "resolution"))
    content = Content(
        {**report, "title": f"scale · {', '.join(own)}"},
        {
            **words.figures(rows),
            "costs_of_the_family": Bars("multiply-adds (MACs)", bars),
        },
        config=parts.settings,
        layers=(),
        then=[("train a member from scratch:", following)],
        **more,
    )
    write_report(run, content)
    return Outcome(report, following)


def _row(member: Member, costs: Mapping[str, float], found: Found | None) -> Mapping[str, Any]:
    """Scale and costs of a member, and its accuracy where it has been trained."""
    trial = None if found is None else found.trials.get(member.network)
    known = {} if trial is None else {k: v for k, v in trial.metrics.items() if k == "accuracy"}
    return {**asdict(member.scale), **known, "costs": costs}


def _following(run: Run, parts: Parts, members: Mapping[str, Member]) -> str:
    """The command that trains the largest member, on data that have images of its size."""
    name, member = list(members.items())[-1]
    pixels = member.scale.resolution
    said = [f"genotype={run.path / name}.json", *member.words, *parts.data(pixels)]
    if member.space:
        said = ["--config-dir", str(run.path), f"space={option(name)}", *said]
    data = member.problem.task.name
    why = "" if parts.only in (None, pixels) else f", which {data} has not: it has {parts.only}"
    return f"{parts.then('retrain', *said)}   # {pixels} pixels{why}"
