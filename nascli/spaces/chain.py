"""A chain of layers, each with its own options: a macro space that YAML alone describes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from nascli.core.channels import deeper, wider
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.operation import origin
from nascli.core.plan import Layer, Plan
from nascli.core.space import check, strongest
from nascli.core.task import Task
from nascli.networks.building import build, builders, wrong_operations
from nascli.operations import resolve
from nascli.spaces.chain_layers import read
from nascli.spaces.chain_plan import Step, planned, settled

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory
    from nascli.supernet.planned import PlannedSupernet

_IDENTITIES = {"nascli.operations.skip.skip_connect", "nascli.operations.inverted.identity"}


class Chain:
    """Layers one after another, then a classifier. A layer with several options is a decision.

    Args:
        task: shape and classes of the images.
        operations: name -> factory or its config (see `nascli.operations.resolve`).
        layers: in order, each with `channels`, and maybe `options` (names of operations; a single
            one makes it a fixed layer), `stride` (1), `repeats` (1: how many there are, of which
            the first has the stride) and a `name` that decisions have ("layer2", or with several
            "layer2/1").
        options: those of layers that have none of their own.
        name: of the space; genotypes have it.
        width: times all channels, which are then rounded to multiples of 8.

    Raises:
        Fault: everything that makes no sense, at once; the images are too small for the strides.
    """

    name = "chain"

    def __init__(
        self,
        task: Task,
        operations: Mapping[str, Any],
        layers: Sequence[Mapping[str, Any]],
        options: Sequence[str] = (),
        name: str = "chain",
        width: float = 1.0,
    ) -> None:
        self.task, self.name, self._width, self._layers = task, name, width, layers
        self.operations = dict(operations)
        wrong = wrong_operations(self.operations)
        if not isinstance(width, int | float) or not 0 < width < math.inf:
            wrong.append(f"space.width is {width}; it must be above 0")
            width = 1.0
        self._steps, more = read(layers, options, self.operations, width)
        wrong += more
        least, (_, height, breadth) = math.prod(s.stride for s in self._steps), task.input_shape
        if min(height, breadth) < least:
            wrong.append(
                f"images of {height}x{breadth} pixels are too small for the strides of space "
                f"'{name}'; the smallest allowed is {least}x{least}"
            )
        wrong += [
            f"layer {step.decision}: '{option}' makes two halves of its channels, so it needs at "
            f"least 2; it has {step.channels}"
            for step in self._steps
            for option in step.options
            if step.channels < 2 and _halves(origin(self.operations[option])[0], step.stride)
        ]
        choices = [step.choice for step in self._steps if len(step.options) > 1]
        if not wrong and not choices:
            wrong.append("no layer has several options, so there is nothing to search")
        if wrong:
            raise Fault("\n".join(wrong))
        self._choices = tuple(choices)
        self._decisions = {choice.name: choice.options for choice in choices}
        self._identities = {
            o for o, made in self.operations.items() if origin(made)[0] in _IDENTITIES
        }

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Decision -> its options."""
        return self._decisions

    def plan(self, genotype: Genotype | None = None) -> Plan:
        """The plan of `genotype`'s network, or the open one.

        Raises:
            Fault: `genotype` is not of the space.
        """
        taken = None if genotype is None else check(self, genotype).choices
        return planned(self.task.input_shape, self._steps, self.task.classes, taken=taken)

    def taken(self, genotype: Genotype) -> Mapping[str, str]:
        """The decisions: each is a choice."""
        return check(self, genotype).choices

    def derive(self, strengths: Sequence[Sequence[float]]) -> Genotype:
        """The strongest option of every layer (see `strongest`)."""
        return strongest(self.name, self._choices, strengths)

    def resized(
        self, genotype: Genotype, width: float, depth: float, step: int, layers: str = "up"
    ) -> tuple[Mapping[str, Any], Genotype]:
        """See `core.space.Resizable`: layers with several options become more, fixed ones do not.

        Further layers are like the last of theirs that is not the identity.
        """
        taken = self.taken(genotype)
        choices: dict[str, str] = {}
        entries: list[dict[str, Any]] = []
        for entry, group in zip(self._layers, self._groups(), strict=True):
            wide = wider(entry["channels"], self._width * width, step)
            layer = {**entry, "name": group[0].group, "channels": wide}
            if len(group[0].options) > 1:
                options = [taken[one.decision] for one in group]
                whole = [option for option in options if option not in self._identities]
                count = deeper(len(group), depth, layers)
                options += (whole or options)[-1:] * (count - len(options))
                layer["repeats"] = count
                name = layer["name"]
                names = [name] if count == 1 else [f"{name}/{n + 1}" for n in range(count)]
                choices.update(zip(names, options, strict=True))
            entries.append(layer)
        return {"layers": entries, "width": 1.0}, Genotype.of(self.name, choices)

    def _groups(self) -> list[list[Step]]:
        """The steps of every entry in `layers`."""
        groups = itertools.groupby(self._steps, lambda step: step.group)
        return [list(inside) for _, inside in groups]

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype`: images (B, C, H, W) -> logits (B, classes)."""
        from nascli.networks.network import Network

        return Network(self.plan(genotype), partial(build, self.factories))

    def supernet(self) -> PlannedSupernet:
        """All networks of the space in one."""
        from nascli.supernet.planned import PlannedSupernet

        return PlannedSupernet(self, self.plan(), self.factories)

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every layer that some network of the space contains, with its builder."""
        return builders(self.factories, self.plan())

    @cached_property
    def factories(self) -> dict[str, Factory]:
        """Operation -> what builds it; imports their modules."""
        return resolve(self.operations)

    def canonical(self, genotype: Genotype) -> Genotype:
        """The one with the identity at the end of every run of equal choices (see `settled`)."""
        choices = settled(self._steps, genotype.choices, self._identities)
        return Genotype(self.name, genotype.decisions, tuple(choices.values()))

    def describe(self, genotype: Genotype) -> str:
        """One line a layer: its name, channels, stride and operation."""
        taken = self.taken(genotype)
        wide = max(len(step.decision) for step in self._steps)
        return "\n".join(
            f"{step.decision:<{wide}}  {step.channels:>4} channels  "
            f"{'/2' if step.stride == 2 else '  '}  {taken.get(step.decision, step.options[0])}"
            for step in self._steps
        )


def _halves(path: str, stride: int) -> bool:
    """Whether an operation computes its channels in two halves."""
    shuffles = path.startswith("nascli.operations.shuffle.")
    return shuffles or (path == "nascli.operations.skip.skip_connect" and stride == 2)
