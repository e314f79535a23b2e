"""The supernet of an open plan, whatever the space: all networks in one, with shared weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.choice import Choice
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import IMAGES, Kind, Layer, Place, Plan, Shape, spent
from nascli.core.space import Derivable
from nascli.core.supernet import Mixture, PathStep
from nascli.networks.attaching import attach, attached
from nascli.networks.building import build
from nascli.operations.blocks import Normed, ReluFirst
from nascli.supernet.evaluating import evaluated
from nascli.supernet.graph import MixedGraph, Unpacked
from nascli.supernet.inheritance import inherit
from nascli.supernet.partial import check_partial, replaced, thinned
from nascli.supernet.paths import path

if TYPE_CHECKING:
    from nascli.operations import Factory


class PlannedSupernet(nn.Module):
    """See `core.supernet.Supernet`; weights are shared by place, not across cells.

    The choices of a cell make one `MixedGraph`, at the path that the cell is named by; a choice
    outside of cells makes one of its own. All modules are built as shared ones: as published, batch
    norms in cells have no scale and shift.

    A result that only layers read which begin with a ReLU is replaced by its ReLU, once for all.

    Args:
        space: reads and writes genotypes.
        plan: its open plan, at any depth.
        factories: operation -> what builds it.
        normalised: whether a batch norm follows every option without weights but the identity, as
            pools in the supernet of DARTS.
    """

    def __init__(
        self,
        space: Derivable,
        plan: Plan,
        factories: Mapping[str, Factory],
        *,
        normalised: bool = False,
    ) -> None:
        super().__init__()
        self.space, self.plan, self.choices = space, plan, plan.choices
        self.partial_channels = 1
        self._factories, self._normalised = factories, normalised
        self._rows = {choice: row for row, choice in enumerate(plan.choices)}
        self._graphs = _graphs(plan.places)
        modules = self._modules_of(plan)
        for name, module in modules:
            attach(self, name, module)
        self._steps = _steps(plan, self._graphs, self._rows, dict(modules))

    def _modules_of(self, plan: Plan) -> list[tuple[str, nn.Module]]:
        """(path, module) in the order of the places, made in that of `plan.made`."""
        places = {p.name: p for p in plan.places if p.kind in ("layer", "choice")}
        owner = {place.name: name for name, inside in self._graphs.items() for place in inside}
        made: dict[str, nn.Module] = {}
        for name in plan.made or places:
            place, path = places[name], owner.get(name, name)
            if place.layer is not None:
                made[path] = build(self._factories, place.layer, shared=True)
            elif path not in made:
                made[path] = self._graph(self._graphs[path])
        paths = dict.fromkeys(owner.get(name, name) for name in places)
        return [(path, made[path]) for path in paths]

    def _graph(self, places: Sequence[Place]) -> MixedGraph:
        return MixedGraph(places, self._rows, self._option, self.partial_channels)

    def _option(self, layer: Layer) -> nn.Module:
        layer = thinned(layer, self.partial_channels)
        module = build(self._factories, layer, shared=True)
        weighted = next(module.parameters(), None) is not None
        if weighted or not self._normalised or isinstance(module, nn.Identity):
            return module
        return Normed(module, layer.out_channels)

    def set_partial_channels(self, k: int) -> None:
        """Options work on one channel in `k` (see `supernet.partial`); parameters are replaced.

        Raises:
            Fault: `k` does not divide the channels, or an option changes them.
        """
        options = [layer for place in self.plan.places for layer in place.options if layer]
        check_partial(k, (layer.in_channels for layer in options))
        for layer in options:
            if k > 1 and layer.in_channels != layer.out_channels:
                raise Fault(
                    f"strategy.partial_channels needs options that keep their channels; "
                    f"'{layer.operation}' makes {layer.out_channels} of {layer.in_channels}"
                )
        before, self.partial_channels = self.partial_channels, k
        if k == before:
            return
        for name, places in self._graphs.items():
            old = self.get_submodule(name)
            attach(self, name, replaced(old, self._graph(places), wider=k < before))

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes)."""
        weights = Unpacked(mixture, self.choices)
        results = {IMAGES: images}
        for step in self._steps:
            self._advance(step, results, weights)
        return results[self.plan.output]

    def _advance(self, step: _Step, results: dict[str, Tensor], weights: Unpacked) -> None:
        """Adds what the step computes, and leaves out what nobody reads after it."""
        if step.there(weights):
            results.update(self._results(step, results, weights))
        for name in step.spent:
            results.pop(name, None)

    def steps(self, mixture: Mixture) -> Sequence[PathStep]:
        """See `core.supernet.Stepwise`; `mixture` is that of a single path."""
        weights = Unpacked(mixture, self.choices)
        found = []
        for step in (step for step in self._steps if step.there(weights)):
            module = attached(self, step.path) if step.kind in ("layer", "choice") else None
            key: tuple[object, ...] = (step.names[0],)
            parts = [] if module is None else [module]
            if step.row is not None:
                key = step.names[0], weights.active[step.row]
            if isinstance(module, MixedGraph):
                pairs = zip(module.choices, module.rows, strict=True)
                taken = [(choice, weights.active[row]) for choice, row in pairs]
                key = *key, *taken
                parts = [module.option(c, c.options[n]) for c, numbers in taken for n in numbers]
            norms = [m for part in parts for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
            found.append(PathStep(key, partial(self._run, step, weights), norms))
        return found

    def _run(self, step: _Step, weights: Unpacked, before: Tensor | dict[str, Tensor]) -> object:
        """A step of a path; of what it is given nothing changes."""
        results = {IMAGES: before} if isinstance(before, Tensor) else dict(before)
        self._advance(step, results, weights)
        return results[self.plan.output] if step is self._steps[-1] else results

    def _results(
        self, step: _Step, results: Mapping[str, Tensor], weights: Unpacked
    ) -> Iterator[tuple[str, Tensor]]:
        """(name, result) of what the step computes."""
        if step.row is not None:
            row = step.row
            terms = [results[step.inputs[n]] * weights(row, n) for n in weights.active[row]]
            yield step.names[0], sum(terms[1:], terms[0])
            return
        inputs = [results[name] for name in step.inputs]
        if step.kind == "choice":
            states = cast(MixedGraph, attached(self, step.path))(inputs, weights)
            yield from zip(step.names, states, strict=True)
            return
        result = self._result(step, inputs, results[IMAGES])
        if step.relu:
            result = F.relu(result, inplace=step.kind == "concatenate")
        yield step.names[0], result

    def _result(self, step: _Step, inputs: Sequence[Tensor], images: Tensor) -> Tensor:
        if step.kind == "layer":
            module = attached(self, step.path)
            if step.after_relu:
                return cast(ReluFirst, module).after_relu(inputs[0])
            return evaluated(module, inputs[0])
        if step.kind == "concatenate":
            return torch.cat(list(inputs), dim=1)
        if not inputs:
            return images.new_zeros(len(images), *step.shape)
        return sum(inputs[1:], inputs[0])

    def path(self, genotype: Genotype) -> Mixture:
        """The mixture that evaluates `genotype` alone."""
        return path(self.choices, self.space.taken(genotype), next(self.parameters()))

    def largest(self) -> Genotype:
        """The genotype whose options have the most multiply-adds, then parameters."""
        return self.space.derive([[1 + size for size in row] for row in self._sizes()])

    def smallest(self) -> Genotype:
        """The genotype whose options have the fewest; where there are others, `none` is none."""
        rows = self._sizes()
        most = 1 + max(max(row, default=0.0) for row in rows)
        return self.space.derive([[most - size for size in row] for row in rows])

    def _sizes(self) -> list[list[float]]:
        """(choices, options): what each option costs; zeros for choices without a place."""
        from nascli.costs.extremes import sizes
        from nascli.costs.plans import PlanCounter

        rows = sizes(self.plan, PlanCounter(self.space))
        pairs = zip(rows, self.choices, strict=True)
        return [row or [0.0] * len(choice.options) for row, choice in pairs]

    def network(self, genotype: Genotype) -> nn.Module:
        """See `core.supernet.Inherits`; a batch norm behind a pool is no layer and stays behind."""
        like = next(self.parameters())
        with torch.random.fork_rng(devices=[]):
            network = self.space.network(genotype).to(like.device, like.dtype)
        owner = {place.name: name for name, inside in self._graphs.items() for place in inside}
        plan, taken = self.space.plan(genotype), self.space.taken(genotype)
        inherit(network, plan, self, self.plan, taken, owner)
        return network.train(self.training)

    def derive(self, strengths: Tensor) -> Genotype:
        """The genotype that the space derives from `strengths` (choices, options)."""
        return self.space.derive(strengths.tolist())


def _graphs(places: Sequence[Place]) -> dict[str, list[Place]]:
    """Path of a mixed graph -> its places in order."""
    cells = {place.cell for place in places if place.kind == "choice"} - {""}
    found: dict[str, list[Place]] = {}
    for place in places:
        if place.cell in cells or place.kind == "choice":
            found.setdefault(place.cell or place.name, []).append(place)
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    """A place, or a whole graph (kind "choice"), made ready to run.

    `names` are those of its results, `spent` what can go afterwards. `after_relu` says that the
    module's first step, a ReLU, has been done; `relu` that the readers want it of the result. `row`
    is that of the choice by which a place selects, `when` the row of another and the options of it
    under which there is a step at all.
    """

    kind: Kind
    names: tuple[str, ...]
    path: tuple[str, ...]
    inputs: tuple[str, ...]
    shape: Shape
    spent: tuple[str, ...]
    after_relu: bool = False
    relu: bool = False
    row: int | None = None
    when: tuple[int, frozenset[int]] | None = None

    def there(self, weights: Unpacked) -> bool:
        """Whether a pass with these weights needs the step."""
        return self.when is None or not self.when[1].isdisjoint(weights.active[self.when[0]])

    def __deepcopy__(self, _memo: object) -> _Step:
        return self


def _steps(
    plan: Plan,
    graphs: Mapping[str, Sequence[Place]],
    rows: Mapping[Choice, int],
    modules: Mapping[str, nn.Module],
) -> tuple[_Step, ...]:
    owner = {place.name: name for name, inside in graphs.items() for place in inside}
    rectified = _rectified(plan, modules)
    steps: dict[str, _Step] = {}  # by the path of the graph or the name of the place
    for place, done in zip(plan.places, spent(plan.places, {IMAGES, plan.output}), strict=True):
        name = owner.get(place.name, place.name)
        path = tuple(name.split("."))
        when = None if place.when is None else (rows[place.when.choice], place.when.numbers)
        if name in steps:
            last = next(reversed(steps))
            steps[last] = replace(steps[last], spent=steps[last].spent + done)
        elif name in graphs:
            graph = cast(MixedGraph, modules[name])
            own = graph.names[len(graph.inputs) :]
            steps[name] = _Step("choice", own, path, graph.inputs, place.shape, done, when=when)
        else:
            after = place.kind == "layer" and place.inputs[0] in rectified
            relu = name in rectified
            row = rows[place.choice] if place.choice is not None else None
            about = place.kind, (name,), path, place.inputs, place.shape, done
            steps[name] = _Step(*about, after_relu=after, relu=relu, row=row, when=when)
    return tuple(steps.values())


def _rectified(plan: Plan, modules: Mapping[str, nn.Module]) -> set[str]:
    """The results that only layers read which begin with a ReLU."""
    first = {name for name, module in modules.items() if isinstance(module, ReluFirst)}
    readers: dict[str, list[str]] = {}
    for place in plan.places:
        for name in place.inputs:
            readers.setdefault(name, []).append(place.name)
    return {
        place.name
        for place in plan.places
        if place.kind in ("layer", "concatenate") and first.issuperset(readers.get(place.name, "?"))
    }
