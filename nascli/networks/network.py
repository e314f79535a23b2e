"""The network of a plan, whatever the space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nascli.core.plan import IMAGES, Kind, Layer, Plan, Shape, spent
from nascli.networks.attaching import attach, attached


class Network(nn.Module):
    """Runs the places of a plan in order: images (B, C, H, W) -> logits (B, classes).

    Every module stands at the path that its place is named by. With an auxiliary head, training
    mode returns (logits, auxiliary logits). `drop_path` (0 at first) is the chance with which, in
    training mode, each image drops a layer that the plan marks, unless it is the identity (Larsson
    et al., FractalNet, ICLR 2017, arXiv 1605.07648).

    Only what is still to be read is held on to, so that memory follows from the plan: while a place
    is computed, there are its inputs, its result and all results that a later place reads. What no
    later place reads goes as soon as the place is computed. An addition adds its inputs one by one,
    each time into a new tensor, and lets go of each input and each partial sum once it is added.
    The images are the caller's. `kept` is for who looks inside: results of the places that are its
    keys stand in it after a pass.

    Args:
        plan: without choices.
        build: makes the module of a layer; is called in the order `plan.made`.
    """

    def __init__(self, plan: Plan, build: Callable[[Layer], nn.Module]) -> None:
        super().__init__()
        layers = {place.name: place.layer for place in plan.places if place.layer is not None}
        modules = {name: build(layers[name]) for name in plan.made or layers}
        for name in layers:
            if name != plan.auxiliary:
                attach(self, name, modules[name])
        if plan.auxiliary is not None:  # its parameters come last, behind the classifier's
            attach(self, plan.auxiliary, modules[plan.auxiliary])
        self.drop_path = 0.0
        self.kept: dict[str, Tensor | None] = {}
        self._output, self._auxiliary = plan.output, plan.auxiliary
        self._steps = {training: _steps(plan, training=training) for training in (False, True)}

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Images (B, C, H, W) of the plan's shape -> logits; see the class."""
        results = {IMAGES: images}
        for step in self._steps[self.training]:
            # No variable may hold on to a result: it would outlive its last reader.
            results[step.name] = self._result(step, results)
            if step.name in self.kept:
                self.kept[step.name] = results[step.name]
            for name in step.spent:
                del results[name]
        if self.training and self._auxiliary is not None:
            return results[self._output], results[self._auxiliary]
        return results[self._output]

    def _result(self, step: _Step, results: dict[str, Tensor]) -> Tensor:
        if step.kind == "layer":
            module = attached(self, step.path)
            result: Tensor = module(results[step.inputs[0]])
            return self._dropped(module, result) if step.drop_path else result
        if step.kind == "add":
            return _sum(step, results)
        return torch.cat([results[name] for name in step.inputs], dim=1)

    def _dropped(self, module: nn.Module, result: Tensor) -> Tensor:
        if not (self.training and self.drop_path) or isinstance(module, nn.Identity):
            return result
        kept = 1.0 - self.drop_path
        mask = result.new_empty(len(result), 1, 1, 1).bernoulli_(kept)
        return result * (mask / kept)


@dataclass(frozen=True, slots=True)
class _Step:
    """A place, made ready to run: `last` says of each input whether an addition is done with it."""

    kind: Kind
    name: str
    path: tuple[str, ...]
    inputs: tuple[str, ...]
    last: tuple[bool, ...]
    spent: tuple[str, ...]
    shape: Shape
    drop_path: bool

    def __deepcopy__(self, _memo: object) -> _Step:
        return self


def _steps(plan: Plan, *, training: bool) -> tuple[_Step, ...]:
    places = [place for place in plan.places if training or place.name != plan.auxiliary]
    kept = {IMAGES, plan.output, plan.auxiliary}
    steps = []
    for place, done in zip(places, spent(places, kept), strict=True):
        inputs, last = place.inputs, (False,) * len(place.inputs)
        if place.kind == "add":
            last = tuple(n in done and n not in inputs[i:] for i, n in enumerate(inputs, start=1))
            done = tuple(name for name in done if name not in inputs)
        path = tuple(place.name.split("."))
        steps.append(
            _Step(place.kind, place.name, path, inputs, last, done, place.shape, place.drop_path)
        )
    return tuple(steps)


def _sum(step: _Step, results: dict[str, Tensor]) -> Tensor:
    """The inputs added up in order; zeros (B, C, H, W) without any."""
    total = None
    for name, last in zip(step.inputs, step.last, strict=True):
        term = results.pop(name) if last else results[name]
        total = term if total is None else total + term
        del term
    if total is None:
        images = results[IMAGES]
        return images.new_zeros(images.shape[0], *step.shape)
    return total
