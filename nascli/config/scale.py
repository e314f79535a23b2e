"""The parts of `nas scale`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nascli.config import building, recorded
from nascli.config.compose import Asked
from nascli.core.fault import Fault
from nascli.core.listener import SILENT, Listener
from nascli.core.scaling import Scaling
from nascli.core.space import Scalable
from nascli.programs.scale import Member
from nascli.runs.folder import Run


@dataclass(frozen=True)
class _Resized:
    """The task with images of another size, as far as spaces see it."""

    name: str
    input_shape: tuple[int, int, int]
    classes: int


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Mapping[str, Member]]:
    """A new run folder, and the members of the family.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    members = build(asked, listener)
    return recorded.claimed(asked, "scaling", "space"), members


def build(asked: Asked, listener: Listener = SILENT) -> Mapping[str, Member]:
    """Name -> member, each a genotype for images of its resolution.

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
    if not isinstance(space, Scalable):
        raise Fault(
            f"genotypes of space '{space.name}' do not say how wide and deep their networks are; "
            "those of space=mobile do, and space.channels and the like scale the others"
        )
    members = {}
    for name, scale in scaling.scales(min(size)).items():
        side = scale.resolution
        task = _Resized(problem.task.name, (colours, side, side), problem.task.classes)
        own = replace(problem, space=building.space(config, task), task=task)
        wider = space.scaled(genotype, scale.width, scale.depth, config.rounding)
        members[name] = Member(scale, own, wider)
    return members


check = build
