"""States joined by edges, read in two ways: one operation an edge, or a mixture of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.choice import NONE, Edge
from nascli.core.supernet import Mixture
from nascli.operations.deferred import Deferred, Term, weighted_sum
from nascli.operations.depthwise import rewritten
from nascli.supernet.partial import halved, joined, split
from nascli.supernet.stacked import mixed, side_by_side, stacks

Terms = list[Term]
Entry = tuple[int, int]
"""An edge and one of its options."""
Active = dict[str, dict[int, Entry]]
"""Option -> places of the edges on which it takes part -> their entries in a mixture."""


class FixedGraph(nn.Module):
    """A state is the sum over its edges of an operation on the edge's source; zero without any.

    `edges` are (source, target, operation); `stride` is that of the edges which leave an input.
    """

    def __init__(
        self, states: int, edges: Sequence[tuple[int, int, nn.Module]], stride: int = 1
    ) -> None:
        super().__init__()
        self.states = states
        self.stride = stride
        self.places = tuple((source, target) for source, target, _ in edges)
        self.operations = nn.ModuleList(operation for _, _, operation in edges)

    def forward(self, inputs: Sequence[Tensor], drop_path: float = 0.0) -> list[Tensor]:
        """The inputs (B, C, H, W) -> all states.

        In training mode, each image drops every edge with probability `drop_path` unless the
        operation is the identity (Larsson et al., 2017, arXiv 1605.07648).
        """
        states = list(inputs)
        incoming = list(zip(self.places, self.operations, strict=True))
        for number in range(len(states), self.states):
            terms = [
                self._dropped(operation, operation(states[source]), drop_path)
                for (source, target), operation in incoming
                if target == number
            ]
            states.append(sum(terms[1:], terms[0]) if terms else _zeros(states[0], self.stride))
        return states

    def _dropped(self, operation: nn.Module, state: Tensor, probability: float) -> Tensor:
        if not (self.training and probability) or isinstance(operation, nn.Identity):
            return state
        kept = 1.0 - probability
        mask = state.new_empty(len(state), 1, 1, 1).bernoulli_(kept)
        return state * (mask / kept)


class Weights:
    """A mixture, taken apart once a forward pass so that graphs need not index it.

    `active[edge]` are the numbers of the options that take part, `none` left out; `present[edge]`
    says whether any does, `none` included; `factors[edge]` is that of the edge as a whole, which
    the weights of its options contain.
    """

    def __init__(self, mixture: Mixture, edges: Sequence[Edge]) -> None:
        self._columns = mixture.weights.shape[1]
        self._weights = mixture.strengths.flatten().unbind()
        self._zero = mixture.weights.new_zeros(())
        self._several: dict[tuple[Entry | None, ...], Tensor] = {}
        factors = mixture.weights.new_ones(len(edges)) if mixture.edges is None else mixture.edges
        self.factors = factors.unbind()
        active = mixture.active
        if active is None:
            active = tuple(tuple(range(len(edge.options))) for edge in edges)
        self.present = [bool(numbers) for numbers in active]
        self.active = [
            tuple(number for number in numbers if edge.options[number] != NONE)
            for numbers, edge in zip(active, edges, strict=True)
        ]

    def __call__(self, edge: int, option: int) -> Tensor:
        """One weight, a tensor without dimensions."""
        return self._weights[edge * self._columns + option]

    def several(self, entries: tuple[Entry | None, ...]) -> Tensor:
        """As many weights, 0 for None; the same ones are put together only once."""
        if entries not in self._several:
            found = [self._zero if entry is None else self(*entry) for entry in entries]
            self._several[entries] = torch.stack(found)
        return self._several[entries]


class MixedGraph(nn.Module):
    """The same sum over a mixture of each edge's options, evaluated source by source.

    Edges that leave one state share one evaluation of each operation without weights (a pool), and
    one ReLU before operations that begin with it and have a method `after_relu` for the rest.
    On a GPU they share kernels too (see `supernet.stacked`). `none` and options that are not active
    cost nothing. `rows` are the edges' numbers in the mixture; `make(option, source)` builds an
    operation, for one channel in `partial` of a state (see `supernet.partial`).
    """

    def __init__(
        self,
        edges: Sequence[Edge],
        rows: Sequence[int],
        make: Callable[[str, int], nn.Module],
        stride: int = 1,
        partial: int = 1,
    ) -> None:
        super().__init__()
        self.partial = partial
        self.inputs = min(edge.target for edge in edges)
        self.edges = tuple(edges)
        self.rows = tuple(rows)
        self.stride = stride
        self.states = 1 + max(edge.target for edge in edges)
        self.leaving = [
            [place for place, edge in enumerate(edges) if edge.source == source]
            for source in range(self.states)
        ]
        self.weighted = nn.ModuleList(nn.ModuleDict() for _ in edges)
        self.free = nn.ModuleList(nn.ModuleDict() for _ in range(self.states))
        for place, edge in enumerate(edges):
            for option in edge.options:
                self._add(place, option, make)

    def _add(self, place: int, option: str, make: Callable[[str, int], nn.Module]) -> None:
        source = self.edges[place].source
        free = cast(nn.ModuleDict, self.free[source])
        if option == NONE or option in free:
            return
        module = make(option, source)
        has_weights = next(module.parameters(), None) is not None
        (cast(nn.ModuleDict, self.weighted[place]) if has_weights else free)[option] = module

    def forward(self, inputs: Sequence[Tensor], weights: Weights) -> list[Tensor]:
        """The inputs (B, C, H, W) -> all states."""
        states = list(inputs)
        leaving = self._stacked if stacks(states[0]) else self._leaving
        sums: dict[int, Terms] = {}
        passing: dict[int, Terms] = {}
        for source in range(self.states):
            if source == len(states):
                own = sums.pop(source, []), passing.pop(source, [])
                states.append(self._state(*own, like=states[0]))
            state = states[source]
            if self.partial > 1:
                state, others = split(state, self.partial)
                for target, term in self._passing(source, others, weights):
                    passing.setdefault(target, []).append(term)
            for target, term in leaving(source, state, weights):
                sums.setdefault(target, []).append(term)
        return states

    def _state(self, own: Terms, others: Terms, like: Tensor) -> Tensor:
        """The state that terms sum to, with those of the channels that pass by."""
        if not own and not others:
            return _zeros(like, self.stride)
        if self.partial == 1:
            return weighted_sum(own)
        rest = weighted_sum(others)
        channels = like.shape[1] // self.partial
        part = weighted_sum(own) if own else torch.zeros_like(rest[:, :1]).repeat(1, channels, 1, 1)
        return joined(part, rest, self.partial)

    def _passing(self, source: int, others: Tensor, weights: Weights) -> Iterator[tuple[int, Term]]:
        """(target, term) of the channels that pass by, of every edge that leaves `source`."""
        if self.stride == 2 and source < self.inputs:
            others = halved(others)
        for place in self.leaving[source]:
            row = self.rows[place]
            if weights.present[row]:
                yield self.edges[place].target, (Deferred(others), weights.factors[row])

    def _leaving(self, source: int, state: Tensor, weights: Weights) -> Iterator[tuple[int, Term]]:
        """(target, term) of every active option of every edge that leaves `state`."""
        once: dict[str, Deferred] = {}
        relu: list[Tensor] = []
        free = cast(nn.ModuleDict, self.free[source])
        for place in self.leaving[source]:
            edge, row = self.edges[place], self.rows[place]
            for number in weights.active[row]:
                option = edge.options[number]
                if option in free:
                    if option not in once:
                        once[option] = _result(free[option], state, relu)
                    result = once[option]
                else:
                    module = cast(nn.ModuleDict, self.weighted[place])[option]
                    result = _result(module, state, relu)
                yield edge.target, (result, weights(row, number))

    def _stacked(self, source: int, state: Tensor, weights: Weights) -> Iterator[tuple[int, Term]]:
        """The same, with few kernels: terms come weighed and summed (see `supernet.stacked`)."""
        free = cast(nn.ModuleDict, self.free[source])
        shared: Active = {}
        others: Active = {}
        for place in self.leaving[source]:
            row, options = self.rows[place], self.edges[place].options
            for number in weights.active[row]:
                kind = shared if options[number] in free else others
                kind.setdefault(options[number], {})[place] = row, number
        for place, part in chain(
            self._side_by_side(state, others, weights), self._mixed(source, state, shared, weights)
        ):
            yield self.edges[place].target, (Deferred(part), None)

    def _side_by_side(
        self, state: Tensor, active: Active, weights: Weights
    ) -> Iterator[tuple[int, Tensor]]:
        """(edge, sum of its operations with weights)."""
        relu: list[Tensor] = []
        sums: dict[tuple[int, ...], Tensor] = {}
        for option, entries in active.items():
            places = tuple(entries)
            modules = [cast(nn.ModuleDict, self.weighted[place])[option] for place in places]
            scale = weights.several(tuple(entries.values()))
            wide = side_by_side(modules, _entering(modules[0], state, relu), scale)
            sums[places] = sums[places] + wide if places in sums else wide
        for places, wide in sums.items():
            yield from zip(places, wide.chunk(len(places), 1), strict=True)

    def _mixed(
        self, source: int, state: Tensor, active: Active, weights: Weights
    ) -> Iterator[tuple[int, Tensor]]:
        """(edge, sum of the operations that it shares with all that leave `source`)."""
        if not active:
            return
        places = [place for place in self.leaving[source] if weights.active[self.rows[place]]]
        grid = tuple(entries.get(place) for place in places for entries in active.values())
        results = [cast(nn.ModuleDict, self.free[source])[option](state) for option in active]
        scale = weights.several(grid).view(len(places), len(results))
        yield from zip(places, mixed(results, scale), strict=True)


def _result(operation: nn.Module, state: Tensor, relu: list[Tensor]) -> Deferred:
    """What `operation` makes of `state`; `relu` keeps the state's ReLU once it is known."""
    deferred, after_relu = (getattr(operation, name, None) for name in ("deferred", "after_relu"))
    state = _entering(operation, state, relu)
    if deferred is not None and rewritten(state):
        result: Deferred = deferred(state)
        return result
    return Deferred((after_relu or operation)(state))


def _entering(operation: nn.Module, state: Tensor, relu: list[Tensor]) -> Tensor:
    """The state, or its ReLU if `operation` begins with that."""
    if not hasattr(operation, "after_relu"):
        return state
    if not relu:
        relu.append(F.relu(state))
    return relu[0]


def _zeros(state: Tensor, stride: int) -> Tensor:
    """What no edge at all sums to, where the edges have `stride`."""
    return torch.zeros_like(state[:, :, ::stride, ::stride])
