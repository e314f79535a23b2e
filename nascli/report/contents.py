"""What the page of a search shows, be it over or still going on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nascli.analysis.importance import importance
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.space import SearchSpace
from nascli.core.trial import History, Trial
from nascli.report import curves, drawings, figures, sections, trials
from nascli.report.chart import DASHES, PALETTE, Bar, Bars, Chart, Figures, Series
from nascli.report.page import Content

_DRAWN = 60  # genotypes at most of which a page has drawings
_BARS = 16


def search(
    history: History,
    problem: Problem,
    report: Mapping[str, Any],
    genotype: Genotype | None,
    **more: Any,
) -> Content:
    """The page of a search whose answer is `genotype` (None: there is none yet).

    Networks are drawn and described as they are deployed. `more` is what else a `Content` has.
    """
    goal, space = problem.goal, problem.as_deployed.space
    front = history.front(goal) if len(goal.objectives) > 1 else []
    shown = {trial.number: trial for trial in _few(front) + _few(history.incumbents(goal))}
    table = trials.table(
        history,
        [objective.metric for objective in goal.objectives],
        {number: _drawn(space, trial) for number, trial in shown.items()},
        {number: space.describe(trial.genotype) for number, trial in shown.items()},
    )
    drawn = {
        **figures.search(history, problem, report.get("unit", "trial")),
        **curves.readout(history),
    }
    return Content(
        report=report,
        figures={**drawn, **more.pop("figures", {}), **_importance(history, problem)},
        trials=table,
        notes=[*smaller(problem), *more.pop("notes", ())],
        **drawn_twice(space, genotype),
        **more,
    )


def smaller(problem: Problem) -> list[str]:
    """That all but costs is of smaller networks, where it is."""
    if problem.deployed is None:
        return []
    return [f"searched on smaller networks, for {given(problem)}"]


def _few(trials: Sequence[Trial]) -> list[Trial]:
    """Of many the first, the last, and some between them."""
    step = math.ceil(len(trials) / (_DRAWN / 2)) or 1
    return [*trials[::step], *trials[-1:]]


def drawn_twice(space: SearchSpace, genotype: Genotype | None) -> dict[str, Any]:
    """`drawings` and `narrow` of a `Content`; nothing for None."""
    if genotype is None:
        return {}
    narrow = drawings.draw(space, genotype, narrow=True)
    return {"drawings": drawings.draw(space, genotype), "narrow": narrow}


def _drawn(space: SearchSpace, trial: Trial) -> str:
    """Its drawings as HTML; none of what the space does not know any more."""
    try:
        drawn = drawn_twice(space, trial.genotype)
    except Fault:
        return ""
    return sections.drawings(drawn["drawings"], drawn["narrow"])


def _importance(history: History, problem: Problem) -> Figures:
    good = history.full(problem.goal)
    found = importance(good, [problem.goal.loss(trial) for trial in good])
    if not found:
        return {}
    bars = [Bar(name, share, f"{share:.0%}") for name, share in list(found.items())[:_BARS]]
    rest = f"; {len(found) - _BARS} more matter less" if len(found) > _BARS else ""
    title = (
        f"share of the differences in rank between {len(good):,} trials that the option taken "
        f"explains alone{rest}"
    )
    return {"importance_of_decisions": Bars(title, bars)}


def weights(trajectory: Sequence[Mapping[str, Mapping[str, float]]]) -> Figures:
    """How the architecture weights moved: a plot for every choice, a line for every option.

    `trajectory` has an entry an epoch: choice -> option -> weight.
    """
    charts = []
    for choice in dict.fromkeys(name for epoch in trajectory for name in epoch):
        lines = []
        options = dict.fromkeys(o for epoch in trajectory for o in epoch.get(choice, {}))
        for number, option in enumerate(options):
            rows = [(n, epoch.get(choice, {}).get(option)) for n, epoch in enumerate(trajectory, 1)]
            x, y = zip(*((n, w) for n, w in rows if w is not None), strict=True)
            dashes = DASHES[number // len(PALETTE) % len(DASHES)]
            colour = PALETTE[number % len(PALETTE)]
            lines.append(Series(option, x, y, "line", colour, dashes, marked=len(x) < 3))
        if len(lines) > 1:
            charts.append(Chart("epoch", choice, lines, "whole"))
    return {"architecture_weights": charts} if charts else {}


def latencies(layers: Sequence[Mapping[str, Any]]) -> Figures:
    """Where a network's time goes, layer by layer in the order of computing."""
    timed = [row for row in layers if row.get("latency_ms") is not None]
    if not timed:
        return {}
    bars = [
        Bar(
            f"{row['layer']} · {row['operation']}", row["latency_ms"], f"{row['latency_ms']:.3g} ms"
        )
        for row in timed
    ]
    title = "latency of each layer alone, in the order of computing (ms)"
    return {"latency_per_layer": Bars(title, bars)}
