"""`nas compare`: searches of the same problem side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from nascli import ui
from nascli.analysis import standings
from nascli.analysis.comparison import Comparison, Record
from nascli.analysis.significance import Contrast
from nascli.commands import build, settings
from nascli.commands.outcome import write_report
from nascli.commands.resume import check_targets
from nascli.core.fault import Fault, unknown
from nascli.core.goal import Objective
from nascli.core.traits import traits_of
from nascli.report import races, tabulation
from nascli.runs import reading, searches
from nascli.runs import settings as grouping
from nascli.runs.environment import initial_files
from nascli.runs.folder import CONFIG, Run

SCALAR = Objective("scalarised_loss", "min")
_STEP = 50  # runs between two words about the progress
_SOON = 0.95  # of the longest run: whoever ends before that had clearly less of a budget


def check(config: DictConfig) -> None:
    """Raises a Fault with everything that is wrong with the settings."""
    faults = build.Faults()
    faults.attempt(lambda: _check_axis(config))
    faults.attempt(lambda: _check_place(config))
    for key in ("reference", "ideal"):
        faults.attempt(lambda key=key: _corner(config, key))  # type: ignore[misc]
    if not config.runs:
        faults.found.append("say which runs: nas compare RUN..., or a folder that contains them")
    faults.check()


def main(config: DictConfig, choices: dict[str, str], overrides: Sequence[str]) -> None:
    """Compares, writes curves, tables and report, and prints the run folder's path.

    Raises:
        Fault: the input is wrong, or the runs do not compare.
    """
    check(config)
    comparison = _gather(config)
    rows = standings.standings(comparison)
    found = standings.tests(comparison)
    names = "_".join(dict.fromkeys(group.partition(" ")[0] for group in comparison.groups))
    files = initial_files(config, choices, overrides)
    run = Run.claim(Path(config.outputs), "compare", names[:60], files)
    with ui.logging_to(run):
        for line in _remarks(comparison):
            ui.say(line)
        _say(comparison, rows, found)
        _write(run, config, comparison, rows, found)
        ui.say(f"report: {run.path / 'report.html'}")
    ui.path(run.path)


class _Asked(NamedTuple):
    """What a run was asked, by its config but for the seed."""

    plain: dict[str, Any]
    settings: dict[str, Any]
    goals: tuple[Objective, ...]
    path: Path


def _gather(config: DictConfig) -> Comparison:
    """Reads the runs and puts them into groups."""
    known: dict[str, _Asked] = {}
    runs: list[tuple[Path, int, str]] = []
    for path in searches.find(map(str, config.runs)):
        seed, text = searches.seed_apart(path / CONFIG)
        runs.append((path, seed, text))
        if text not in known:
            known[text] = _asked(path)
    first = next(iter(known.values()))
    trained = not _immediate(first)
    halves = {t: grouping.split(one.settings, trained=trained) for t, one in known.items()}
    grouping.same_problem({str(known[t].path): half[0] for t, half in halves.items()})
    names = dict(zip(known, grouping.labels([half[1] for half in halves.values()]), strict=True))
    goals, loss = _wanted(first)
    fidelity = float(first.plain.get("fidelity", 1.0))
    groups: dict[str, list[Record]] = {}
    with ui.Progress("reading run", len(runs)) as bar:
        for done, (path, seed, text) in enumerate(runs, 1):
            record = searches.read(path, seed, fidelity, loss, len(goals))
            groups.setdefault(names[text], []).append(record)
            if done % _STEP == 0:
                bar.update(done, path.name)
    reference, ideal = _corner(config, "reference"), _corner(config, "ideal")
    return Comparison(groups, goals, config.x, config.at, reference, ideal)


def _asked(path: Path) -> _Asked:
    """Reads a run's config; it is data, and only looks up what the estimator is made for."""
    file = path / CONFIG
    plain = reading.config(path)
    if not isinstance(plain.get("strategy"), dict) or not isinstance(plain.get("estimator"), dict):
        raise Fault(f"'{path}' is not the run folder of a search: its config has no strategy")
    for key in ("estimator", "scalarisation"):
        check_targets(plain.get(key), file, _own_folders())
    goals = settings.objectives(OmegaConf.create(plain))
    plain["objectives"] = {goal.metric: goal.direction for goal in goals}
    choices = reading.environment(path).get("choices", {})
    return _Asked(plain, grouping.settings(plain, choices), goals, path)


def _immediate(asked: _Asked) -> bool:
    """Whether the estimator answers without training, so that no recipe plays a part."""
    from hydra.utils import get_class

    target = asked.plain["estimator"].get("_target_")
    return bool(target) and traits_of(get_class(target)).immediate


def _wanted(asked: _Asked) -> tuple[tuple[Objective, ...], searches.Loss]:
    """What the runs are compared by, and how it follows from a trial's metrics."""
    goals, config = asked.goals, OmegaConf.create(asked.plain)
    scalar = build.component(config, "scalarisation") if "scalarisation" in config else None
    if scalar is None:
        return goals, lambda metrics: [goal.loss(metrics) for goal in goals]
    return (SCALAR,), lambda metrics: [scalar.loss(goals[0], metrics)]


def _own_folders() -> list[Path]:
    """The config folders of this call, the user's own among them."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return []
    sources = HydraConfig.get().runtime.config_sources
    return [Path(source.path) for source in sources if source.schema == "file"]


def _check_axis(config: DictConfig) -> None:
    if config.x not in ("queries", "seconds"):
        raise Fault(unknown("x", config.x, ("queries", "seconds")))


def _check_place(config: DictConfig) -> None:
    at = config.at
    good = isinstance(at, (int, float)) and not isinstance(at, bool) and 0 < at < math.inf
    if at is not None and not good:
        raise Fault(f"at is {at!r}; it must be a number above 0, or null")


def _corner(config: DictConfig, key: str) -> dict[str, float] | None:
    """A corner of the hypervolume's box, as given."""
    given = config[key]
    if given is None:
        return None
    plain = OmegaConf.to_container(given) if isinstance(given, DictConfig) else given
    if not isinstance(plain, dict) or not all(isinstance(v, (int, float)) for v in plain.values()):
        raise Fault(f"{key} is {plain!r}; it must be a mapping such as {{accuracy: 0, flops: 3e8}}")
    return {str(metric): float(value) for metric, value in plain.items()}


def _remarks(comparison: Comparison) -> list[str]:
    """What one has to know of these runs before believing the table."""
    remarks = []
    unfinished = [record for record in comparison.records if not record.finished]
    if unfinished:
        names = ", ".join(f"{record.name} ({record.trials} trials)" for record in unfinished[:5])
        more = f" and {len(unfinished) - 5} more" if len(unfinished) > 5 else ""
        remarks.append(f"not ended, taken as far as they are: {names}{more}")
    for group, seeds in standings.seeds(comparison).items():
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            several = ", ".join(map(str, twice))
            remarks.append(f"{group} has more than one run of seed {several}: they may be copies")
    ends = [record.ends[comparison.axis] for record in comparison.records]
    if comparison.at is None and min(ends) < _SOON * max(ends):
        same = math.floor(min(ends) * 1e3) / 1e3
        remarks.append(
            f"the runs end after {min(ends):.4g} to {max(ends):.4g} {comparison.axis}, and the "
            f"table takes each at its end; for equal budgets: at={same:g}"
        )
    return remarks


def _say(
    comparison: Comparison, rows: Sequence[Mapping[str, Any]], found: Sequence[Contrast]
) -> None:
    """The table and the tests, on stderr."""
    lines = [tabulation.line(comparison, row) for row in rows]
    ui.table("", tabulation.head(comparison), lines)
    ui.say(tabulation.reading(comparison, found))
    names = [str(row["group"]) for row in rows]
    if len(found) > tabulation.FEW_PAIRS:
        title = "corrected p-values (+: the row is better, -: it is worse)"
        ui.table(title, ("", *names), tabulation.matrix(found, names))


def _write(
    run: Run,
    config: DictConfig,
    comparison: Comparison,
    rows: Sequence[Mapping[str, Any]],
    found: Sequence[Contrast],
) -> None:
    """compare.csv, table.csv, figures and the report."""
    run.write("compare.csv", tabulation.curves(comparison, log=config.log_x))
    run.write("table.csv", tabulation.text(rows))
    report = tabulation.summary(comparison, rows, found)
    drawn = races.draw(comparison, [row["group"] for row in rows], log=config.log_x)
    write_report(run, report, drawn, config)
