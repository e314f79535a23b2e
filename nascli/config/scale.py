"""The parts of `nas scale`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from omegaconf import OmegaConf

from nascli.config import building, recorded
from nascli.config.compose import Asked
from nascli.core.fault import Fault
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Images
from nascli.core.scaling import Scaling
from nascli.core.space import Resizable, Scalable
from nascli.programs.scale import Member, Parts
from nascli.runs.folder import Run


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Parts]:
    """A new run folder, and the members of the family.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    parts = build(asked, listener)
    return recorded.claimed(asked, "scaling", "space"), parts


def build(asked: Asked, listener: Listener = SILENT) -> Parts:
    """The members, each a genotype for images of its resolution.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config, faults = asked.config, building.Faults()
    scaling: Scaling | None = faults.attempt(lambda: building.component(config, "scaling"))
    found = faults.attempt(lambda: building.network(config, listener))
    if config.rounding < 1:
        faults.found.append(f"rounding is {config.rounding}; it must be a whole number from 1 up")
    faults.check()
    assert scaling is not None and found is not None
    problem, genotype = found
    space, (colours, *size) = problem.space, problem.task.input_shape
    if not isinstance(space, (Scalable, Resizable)):
        raise Fault(
            f"space '{space.name}' does not say what a wider and deeper network of it is: it has "
            "neither scaled() nor resized(); those of cell, nasbench201, chain and mobile have"
        )
    members = {}
    for name, scale in scaling.scales(min(size)).items():
        side = scale.resolution
        task = Images(problem.task.name, (colours, side, side), problem.task.classes)
        sizes = scale.width, scale.depth, config.rounding
        settings: Mapping[str, Any] = {}
        if isinstance(space, Scalable):
            larger = space.scaled(genotype, *sizes)
        else:
            settings, larger = space.resized(genotype, *sizes)
        stated = building.at_sizes(config, settings)
        own = replace(problem, space=building.needed(stated, "space", task), task=task)
        if any(isinstance(value, Sequence) for value in settings.values()):
            members[name] = Member(scale, own, larger, space=OmegaConf.to_yaml(stated.space))
        else:  # said aloud, for a recipe has sizes of its own that a file of the space gives way to
            words = [f"space.{key}={value}" for key, value in settings.items()]
            words = [f"space={asked.choices['space']}", *words] if words else []
            members[name] = Member(scale, own, larger, words)
    data = _data(asked, list(members.values())[-1].scale.resolution)
    return Parts(members, asked.plain(), data, partial(asked.then, outputs=config.outputs))


def _data(asked: Asked, pixels: int) -> list[str]:
    """The words of a command that name the same images, at this size."""
    data = [text for text in asked.overrides if text.startswith("data.")]
    for key in {"image_size", "size"} & asked.config.data.keys():  # of data that have any size
        data = [text for text in data if not text.startswith(f"data.{key}=")]
        data.append(f"data.{key}={pixels}")
    return [f"data={asked.choices['data']}", *data]


check = build
