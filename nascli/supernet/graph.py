"""The states of a cell, each a sum over edges of a mixture of operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.choice import NONE, Choice
from nascli.core.plan import Layer, Place, Shape
from nascli.core.supernet import Mixture
from nascli.kernels.deferred import Deferred, Term, weighted_sum
from nascli.kernels.depthwise import rewritten
from nascli.kernels.native.leaving import Term as Made
from nascli.supernet.evaluating import evaluated
from nascli.supernet.leaving import Option, Outgoing
from nascli.supernet.partial import halved, joined, split
from nascli.supernet.stacked import at_half_size, halves, mixed, side_by_side, stacks

Terms = list[Term]
Entry = tuple[int, int]
"""The row of a choice in a mixture, and the number of one of its options."""
Active = dict[str, dict[int, Entry]]
"""Option -> numbers of the edges on which it takes part -> their entries in a mixture."""


class Unpacked:
    """A mixture, taken apart once a forward pass so that graphs need not index it.

    `active[row]` are the numbers of the options that take part, `none` left out; `present[row]`
    says whether any does, `none` included; `factors[row]` is that of the edge as a whole, which the
    weights of its options contain.
    """

    def __init__(self, mixture: Mixture, choices: Sequence[Choice]) -> None:
        self._columns = mixture.weights.shape[1]
        self._flat = mixture.strengths.flatten()
        self._several: dict[tuple[Entry | None, ...], Tensor] = {}
        factors = mixture.edges
        factors = mixture.weights.new_ones(len(choices)) if factors is None else factors
        self.factors = factors.unbind()
        active = mixture.active
        if active is None:
            active = tuple(tuple(range(len(choice.options))) for choice in choices)
        self.present = [bool(numbers) for numbers in active]
        self.active = [
            tuple(number for number in numbers if choice.options[number] != NONE)
            for numbers, choice in zip(active, choices, strict=True)
        ]

    @cached_property
    def _each(self) -> tuple[Tensor, ...]:
        return self._flat.unbind()

    def __call__(self, row: int, option: int) -> Tensor:
        """One weight, a tensor without dimensions."""
        return self._each[row * self._columns + option]

    def several(self, entries: tuple[Entry | None, ...]) -> Tensor:
        """As many weights, 0 for None; the same ones are put together only once."""
        if entries not in self._several:
            known = [entry for entry in entries if entry is not None]
            if self._flat.device.type == "cpu" and len(known) == len(entries):
                places = torch.tensor([row * self._columns + option for row, option in known])
                self._several[entries] = self._flat.index_select(0, places)  # a GPU would wait here
            else:
                zero = self._flat.new_zeros(())
                found = [zero if entry is None else self(*entry) for entry in entries]
                self._several[entries] = torch.stack(found)
        return self._several[entries]


class MixedGraph(nn.Module):
    """The states of a cell: the inputs, then what the choices that lead to each of them sum to.

    It is evaluated state by state. Edges that leave one state share one evaluation of each
    operation without weights (a pool), and one ReLU before operations that begin with it and have a
    method `after_relu` for the rest. On a GPU they share kernels too (see `supernet.stacked`).
    `none` and options that are not active cost nothing.

    `inputs` are the names of the states that come from elsewhere, `names` those of all states;
    `edges` are (source, target), the numbers of states, one for each of `choices`.

    Args:
        places: the choices and additions of the cell; or a single choice, whose result is a state.
        rows: choice -> its row in a mixture.
        make: builds an option, for one channel in `partial` of a state.
        partial: see `supernet.partial`.

    Raises:
        ValueError: there is another place among them.
    """

    def __init__(
        self,
        places: Sequence[Place],
        rows: Mapping[Choice, int],
        make: Callable[[Layer], nn.Module],
        partial: int = 1,
    ) -> None:
        super().__init__()
        self.partial = partial
        options = [place for place in places if place.choice is not None]
        self.choices = tuple(place.choice for place in options if place.choice is not None)
        self.rows = tuple(rows[choice] for choice in self.choices)
        self.inputs, self.names, self.edges = _joined_by(places, options)
        self.shapes = {place.name: place.shape for place in places}
        self.strides = [
            next((layer.stride for layer in place.options if layer), 1) for place in options
        ]
        self.leaving = [
            [edge for edge, (source, _) in enumerate(self.edges) if source == state]
            for state in range(len(self.names))
        ]
        self.weighted = nn.ModuleList(nn.ModuleDict() for _ in options)
        self.free = nn.ModuleList(nn.ModuleDict() for _ in self.names)
        self._made: dict[nn.Module, Made | None] = {}
        self._outgoing: dict[int, tuple[list[tuple[int, ...]], Outgoing]] = {}
        shared: dict[tuple[int, str], Layer] = {}
        for edge, place in enumerate(options):
            for option, layer in zip(self.choices[edge].options, place.options, strict=True):
                key = self.edges[edge][0], option
                if layer is not None and shared.get(key) != layer:
                    module = make(layer)
                    free = next(module.parameters(), None) is None and key not in shared
                    if free:
                        shared[key] = layer
                    modules = self.free[key[0]] if free else self.weighted[edge]
                    cast(nn.ModuleDict, modules)[option] = module

    def option(self, choice: Choice, option: str) -> nn.Module:
        """The module of an option that is computed."""
        edge = self.choices.index(choice)
        weighted = cast(nn.ModuleDict, self.weighted[edge])
        free = cast(nn.ModuleDict, self.free[self.edges[edge][0]])
        return weighted[option] if option in weighted else free[option]

    def forward(self, inputs: Sequence[Tensor], weights: Unpacked) -> list[Tensor]:
        """The inputs (B, C, H, W) -> the states behind them."""
        states = list(inputs)
        leaving = self._stacked if stacks(states[0]) else self._leaving
        sums: dict[int, Terms] = {}
        passing: dict[int, Terms] = {}
        for source, name in enumerate(self.names):
            if source == len(states):
                own = sums.pop(source, []), passing.pop(source, [])
                states.append(self._state(*own, self.shapes[name], like=states[0]))
            state = states[source]
            if self.partial > 1:
                state, others = split(state, self.partial)
                for target, term in self._passing(source, others, weights):
                    passing.setdefault(target, []).append(term)
            for target, term in leaving(source, state, weights):
                sums.setdefault(target, []).append(term)
        return states[len(inputs) :]

    def _state(self, own: Terms, others: Terms, shape: Shape, like: Tensor) -> Tensor:
        """The state that terms sum to, with those of the channels that pass by."""
        if not own and not others:
            zeros, last = like.new_zeros(len(like), *shape), torch.channels_last
            as_like = like.is_contiguous(memory_format=last)
            return zeros.contiguous(memory_format=last) if as_like else zeros
        if self.partial == 1:
            return weighted_sum(own)
        rest = weighted_sum(others)
        channels = shape[0] // self.partial
        part = weighted_sum(own) if own else torch.zeros_like(rest[:, :1]).repeat(1, channels, 1, 1)
        return joined(part, rest, self.partial)

    def _passing(
        self, source: int, others: Tensor, weights: Unpacked
    ) -> Iterator[tuple[int, Term]]:
        """(target, term) of the channels that pass by, of every edge that leaves `source`."""
        smaller: Tensor | None = None
        for edge in self.leaving[source]:
            row, passed = self.rows[edge], others
            if not weights.present[row]:
                continue
            if self.strides[edge] == 2:
                passed = smaller = halved(others) if smaller is None else smaller
            yield self.edges[edge][1], (Deferred(passed), weights.factors[row])

    def _leaving(self, source: int, state: Tensor, weights: Unpacked) -> Iterator[tuple[int, Term]]:
        """(target, term) of every active option of every edge that leaves `state`."""
        once: dict[nn.Module, Deferred] = {}
        relu: list[Tensor] = []
        sums, options = self._outgoing_of(source, weights)(state, weights.several)
        for edge, part in sums:
            yield self.edges[edge][1], (Deferred(part), None)
        halving = [module for _, _, module in options if sums and halves(module)]
        if halving:
            once |= at_half_size(halving, _read_by(halving[0], state, relu))
        for edge, entry, module in options:
            if module not in once:
                once[module] = _result(module, state, relu)
            yield self.edges[edge][1], (once[module], weights(*entry))

    def _outgoing_of(self, source: int, weights: Unpacked) -> Outgoing:
        """Those under the active options; the last ones of every state are remembered."""
        active = [weights.active[self.rows[edge]] for edge in self.leaving[source]]
        before, outgoing = self._outgoing.get(source, (None, None))
        if outgoing is None or before != active:
            free, options = cast(nn.ModuleDict, self.free[source]), list[Option]()
            for edge, numbers in zip(self.leaving[source], active, strict=True):
                weighted = cast(nn.ModuleDict, self.weighted[edge])
                for number in numbers:
                    name = self.choices[edge].options[number]
                    module = weighted[name] if name in weighted else free[name]
                    options.append((edge, (self.rows[edge], number), module))
            outgoing = Outgoing(options, self.strides, self._made)
            self._outgoing[source] = active, outgoing
        return outgoing

    def _stacked(self, source: int, state: Tensor, weights: Unpacked) -> Iterator[tuple[int, Term]]:
        """The same, with few kernels: terms come weighed and summed (see `supernet.stacked`)."""
        shared: Active = {}
        others: Active = {}
        for edge in self.leaving[source]:
            row, options = self.rows[edge], self.choices[edge].options
            weighted = cast(nn.ModuleDict, self.weighted[edge])
            for number in weights.active[row]:
                kind = others if options[number] in weighted else shared
                kind.setdefault(options[number], {})[edge] = row, number
        for edge, part in chain(
            self._side_by_side(state, others, weights), self._mixed(source, state, shared, weights)
        ):
            yield self.edges[edge][1], (Deferred(part), None)

    def _side_by_side(
        self, state: Tensor, active: Active, weights: Unpacked
    ) -> Iterator[tuple[int, Tensor]]:
        """(edge, sum of its operations with weights)."""
        relu: list[Tensor] = []
        sums: dict[tuple[int, ...], Tensor] = {}
        for option, entries in active.items():
            edges = tuple(entries)
            modules = [cast(nn.ModuleDict, self.weighted[edge])[option] for edge in edges]
            scale = weights.several(tuple(entries.values()))
            wide = side_by_side(modules, _read_by(modules[0], state, relu), scale)
            sums[edges] = sums[edges] + wide if edges in sums else wide
        for edges, wide in sums.items():
            yield from zip(edges, wide.chunk(len(edges), 1), strict=True)

    def _mixed(
        self, source: int, state: Tensor, active: Active, weights: Unpacked
    ) -> Iterator[tuple[int, Tensor]]:
        """(edge, sum of the operations that it shares with all that leave `source`)."""
        if not active:
            return
        edges = [edge for edge in self.leaving[source] if weights.active[self.rows[edge]]]
        grid = tuple(entries.get(edge) for edge in edges for entries in active.values())
        results = [cast(nn.ModuleDict, self.free[source])[option](state) for option in active]
        scale = weights.several(grid).view(len(edges), len(results))
        yield from zip(edges, mixed(results, scale), strict=True)


def _joined_by(
    places: Sequence[Place], options: Sequence[Place]
) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[int, int]]]:
    """Names of the inputs, names of all states, and (source, target) of the choices `options`."""
    choices = {place.name for place in options}
    sums = [place for place in places if place.kind == "add" and choices.issuperset(place.inputs)]
    if len(sums) + len(options) != len(places):
        names = ", ".join(place.name for place in places)
        raise ValueError(f"a cell has choices and additions of choices only; got {names}")
    into = {name: place.name for place in sums for name in place.inputs}
    own = [place.name for place in places if place.name not in into]
    inputs = dict.fromkeys(p.inputs[0] for p in options if p.inputs[0] not in own)
    number = {name: state for state, name in enumerate((*inputs, *own))}
    edges = [(number[p.inputs[0]], number[into.get(p.name, p.name)]) for p in options]
    return tuple(inputs), tuple(number), edges


def _result(operation: nn.Module, state: Tensor, relu: list[Tensor]) -> Deferred:
    """What `operation` makes of `state`; `relu` keeps the state's ReLU once it is known."""
    deferred, after_relu = (getattr(operation, name, None) for name in ("deferred", "after_relu"))
    state = _read_by(operation, state, relu)
    if deferred is not None and rewritten(state):
        result: Deferred = deferred(state)
        return result
    return Deferred(after_relu(state) if after_relu else evaluated(operation, state))


def _read_by(operation: nn.Module, state: Tensor, relu: list[Tensor]) -> Tensor:
    """The state, or its ReLU if `operation` begins with that."""
    if not hasattr(operation, "after_relu"):
        return state
    if not relu:
        relu.append(F.relu(state))
    return relu[0]
