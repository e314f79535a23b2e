"""The parts of `nas compare`: which runs, and what their own configs asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from nascli.config import building, own_data, recorded, values
from nascli.config.compose import Asked
from nascli.core.fault import Fault, unknown
from nascli.core.goal import Objective
from nascli.core.traits import traits_of
from nascli.programs.compare import Parts
from nascli.runs import reading, searches
from nascli.runs import settings as grouping
from nascli.runs.folder import CONFIG

SCALAR = Objective("scalarised_loss", "min")


class _Search(NamedTuple):
    """What a run was asked, by its config but for the seed."""

    plain: dict[str, Any]
    settings: dict[str, Any]
    goals: tuple[Objective, ...]
    path: Path


def check(asked: Asked) -> None:
    """Raises a Fault with everything that is wrong with the settings."""
    config = asked.config
    faults = building.Faults()
    faults.attempt(lambda: _check_axis(config))
    faults.attempt(lambda: _check_place(config))
    if not config.runs:
        faults.found.append("say which runs: nas compare RUN..., or a folder that contains them")
    faults.check()


def build(asked: Asked) -> Parts:
    """The runs in their groups; of the histories nothing is read.

    Raises:
        Fault: the settings are wrong, or the runs are not on the same problem.
    """
    check(asked)
    config = asked.config
    known: dict[str, _Search] = {}
    runs: list[tuple[Path, int, str]] = []
    found, dead = searches.find(list(map(str, config.runs)))
    for path in found:
        seed, text = searches.seed_apart(path / CONFIG)
        runs.append((path, seed, text))
        if text not in known:
            known[text] = _search(path, asked.directories)
    first = next(iter(known.values()))
    trained = not _immediate(first)
    halves = {t: grouping.split(one.settings, trained=trained) for t, one in known.items()}
    grouping.same_problem({str(known[t].path): half[0] for t, half in halves.items()})
    names = dict(zip(known, grouping.labels([half[1] for half in halves.values()]), strict=True))
    goals, loss = _wanted(first)
    groups: dict[str, list[tuple[Path, int]]] = {}
    for path, seed, text in runs:
        groups.setdefault(names[text], []).append((path, seed))
    return Parts(
        groups=groups,
        dead=dead,
        goals=goals,
        loss=loss,
        fidelity=float(first.plain.get("fidelity", 1.0)),
        axis=config.x,
        at=config.at,
        reference=_corner(config, "reference"),
        ideal=_corner(config, "ideal"),
        log=config.log_x,
        paired=config.paired,
        settings=asked.plain(),
    )


def _search(path: Path, directories: Sequence[Path]) -> _Search:
    """Reads a run's config; it is data, and only looks up what the estimator is made for."""
    plain = reading.config(path)
    recorded.check_shape(plain, path / CONFIG)
    built = {key: node for key, node in plain.items() if key in ("estimator", "scalarisation")}
    recorded.check_targets(built, path / CONFIG, directories)
    goals = values.objectives(OmegaConf.create(plain))
    plain["objectives"] = {goal.metric: goal.direction for goal in goals}
    choices = dict(reading.environment(path).get("choices", {}))
    own_data.as_followed(plain, choices)
    return _Search(plain, grouping.settings(plain, choices), goals, path)


def _immediate(one: _Search) -> bool:
    """Whether the estimator answers without training, so that no recipe plays a part."""
    estimator = values.estimator_class(one.plain)
    return estimator is not None and traits_of(estimator).immediate


def _wanted(one: _Search) -> tuple[tuple[Objective, ...], searches.Loss]:
    """What the runs are compared by, and how it follows from a trial's metrics."""
    goals, config = one.goals, OmegaConf.create(one.plain)
    scalar = building.component(config, "scalarisation") if "scalarisation" in config else None
    if scalar is None:
        return goals, lambda metrics: [goal.loss(metrics) for goal in goals]
    return (SCALAR,), lambda metrics: [scalar.loss(goals[0], metrics)]


def _check_axis(config: DictConfig) -> None:
    if config.x not in ("queries", "seconds"):
        raise Fault(unknown("x", config.x, ("queries", "seconds")))


def _check_place(config: DictConfig) -> None:
    if config.at is not None and not 0 < config.at < math.inf:
        raise Fault(f"at is {config.at!r}; it must be a number above 0, or null")


def _corner(config: DictConfig, key: str) -> dict[str, float] | None:
    """A corner of the hypervolume's box, as given."""
    given = config[key]
    return given and {str(metric): float(value) for metric, value in given.items()}
