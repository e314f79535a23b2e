"""How large a network was in the search that found it, beside how large it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli.config import building, recorded
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.task import Task
from nascli.core.trial import Proposal
from nascli.estimators.costs import Costs
from nascli.runs import reading

Sizes = dict[str, Any]


@dataclass
class _Images:
    """What the images of a search were like."""

    name: str
    input_shape: tuple[int, int, int]
    classes: int


def sizes(
    reference: object,
    config: DictConfig,
    problem: Problem,
    genotype: Genotype,
    directories: Sequence[Path] = (),
) -> tuple[Sizes, Sizes] | None:
    """Params, MACs, image (C x H x W) and every number of the space: in the search, and now.

    None if `reference`, what `genotype=` said, is no search that has ended, or not one of ours.
    """
    folder = Path(str(reference))
    folder = folder.parent.parent if folder.parent.name == "front" else folder
    try:
        report = reading.report(folder) if folder.is_dir() else None
        if report is None or report.get("verb") != "search":
            return None
        said, then = report["problem"], recorded.load(folder, directories)
        task = _Images(said["task"], tuple(said["input_shape"]), said["classes"])
        searched = _sizes(then, task, genotype)
    except (Fault, KeyError, TypeError):
        return None
    return searched, _sizes(config, problem.task, genotype)


def _sizes(config: DictConfig, task: Task, genotype: Genotype) -> Sizes:
    space = building.space(config, task)
    costs = Costs(Problem(space, task, None)).estimate(Proposal(genotype))
    numbers = {k: v for k, v in building.sized(config).space.items() if type(v) is int}
    image = " x ".join(map(str, task.input_shape))
    return {"params": costs["params"], "macs": costs["macs"], "image": image, **numbers}
