"""What results are of: the data, and the size of the networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nascli.core.words import counted

if TYPE_CHECKING:
    from nascli.core.problem import Problem


@dataclass(frozen=True)
class Provenance:
    """What answers are of: a data set by its name, and networks made for it.

    `sizes` are settings of the space, such as `channels`, as far as they are known.
    """

    data: str
    input_shape: tuple[int, int, int]
    classes: int
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        shape = "x".join(map(str, self.input_shape))
        sizes = "".join(f", {name.replace('_', ' ')} {size}" for name, size in self.sizes.items())
        return f"{self.data} ({shape}, {counted(self.classes, 'class')}{sizes})"


@runtime_checkable
class HasProvenance(Protocol):
    """An estimator or device whose answers are of networks of its own, whatever is built here."""

    @classmethod
    def provenance(cls, settings: Mapping[str, Any]) -> Provenance | None:
        """What they are of with these settings, those of its YAML; None: that is not known."""


@runtime_checkable
class Sized(Protocol):
    """A space whose networks come in sizes."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Setting -> value of those that make its networks larger: the same genotype costs more."""


def given(problem: Problem) -> Provenance:
    """What is built for a problem, and so what costs are of."""
    task, space = problem.task, problem.space
    sizes = space.sizes if isinstance(space, Sized) else {}
    return Provenance(task.name, task.input_shape, task.classes, sizes)
