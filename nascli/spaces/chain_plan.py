"""Plans of chains: layers one after another, some of which a genotype decides on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nascli.core.choice import Choice
from nascli.core.plan import IMAGES, Layer, Place, Plan, Shape

RESIZE = "resize"
"""The fixed layer that brings images to another size, and its place."""


@dataclass(frozen=True, slots=True)
class Step:
    """A layer of a chain, or a choice between several; `decision` is the choice's name.

    `path` is where its module stands in networks and supernets, `group` the name of its stage.
    """

    decision: str
    path: str
    group: str
    options: tuple[str, ...]
    channels: int
    stride: int = 1

    @property
    def choice(self) -> Choice:
        """The choice between its options."""
        return Choice(self.decision, self.group, self.options)


def planned(
    input_shape: Shape,
    steps: Sequence[Step],
    classes: int,
    head: str = "classifier",
    taken: Mapping[str, str] | None = None,
) -> Plan:
    """The plan of steps and a `head` (the operation that classifies).

    `taken` are the options of the choices; without, the plan is open. A step with a single option
    is a layer, whatever its name.
    """
    places: list[Place] = []
    read, shape = IMAGES, input_shape
    for step in steps:
        options = step.options
        if taken is not None and len(options) > 1:
            options = (taken[step.decision],)
        layers = tuple(
            Layer(option, shape[0], step.channels, step.stride, *shape[1:]) for option in options
        )
        read, shape, before = step.path, layers[0].shape, read
        if len(layers) == 1:
            places.append(Place("layer", step.path, (before,), shape, layers[0]))
        else:
            places.append(
                Place("choice", step.path, (before,), shape, choice=step.choice, options=layers)
            )
    last = Layer(head, shape[0], classes, 1, *shape[1:])
    places.append(Place("layer", "classifier", (read,), (classes, 1, 1), last))
    return Plan(input_shape, tuple(places), "classifier")


def resized(images: Shape, plan: Plan) -> Plan:
    """`plan` for images of another size, which a first layer brings to the size that it reads."""
    if images == plan.input_shape:
        return plan
    _, *size = plan.input_shape
    settings = tuple(zip(("to_height", "to_width"), size, strict=True))
    layer = Layer(RESIZE, images[0], images[0], 1, *images[1:], settings)
    resize = Place("layer", RESIZE, (IMAGES,), plan.input_shape, layer)
    first, *others = plan.places
    return Plan(images, (resize, first._replace(inputs=(RESIZE,)), *others), plan.output)


def settled(
    steps: Sequence[Step], taken: Mapping[str, str], passes: Collection[str]
) -> dict[str, str]:
    """`taken` with what passes its input on at the end of each run, which computes the same.

    Choices one after another with the same options, all of which keep the shape of what they read,
    are a run: the options in `passes` are the identity there, and where they stand does not matter.
    """
    found = dict(taken)
    for run in _runs(steps):
        identity = next((option for option in run[0].options if option in passes), None)
        options = [taken[step.decision] for step in run]
        kept = [option for option in options if option not in passes]
        kept += [identity] * (len(run) - len(kept)) if identity is not None else []
        found.update(zip((step.decision for step in run), kept, strict=True))
    return found


def _runs(steps: Sequence[Step]) -> list[list[Step]]:
    runs: list[list[Step]] = []
    for before, step in pairwise(steps):
        if len(step.options) == 1 or step.stride > 1 or step.channels != before.channels:
            continue
        if runs and runs[-1][-1] is before and before.options == step.options:
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs
