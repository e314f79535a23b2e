"""Operations of a cell that the kernels in C compute together, and what is left to torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nascli.kernels.choosing import known, native
from nascli.kernels.native.leaving import SKIP, Free, Leaving, Term

Entry = tuple[int, int]
Option = tuple[int, Entry, nn.Module]
"""An edge, an option's entry in the mixture, and its module."""


class _Taken(NamedTuple):
    """What the kernels take of the options: the call, its edges and weights; and the others."""

    call: Leaving | None
    edges: list[int]
    entries: tuple[Entry, ...]
    others: list[Option]


class Outgoing:
    """The options that leave one state, and what the kernels take of them, found out once.

    Args:
        options: all of them.
        strides: of the edges.
        made: what the kernels make of modules, kept by the caller.
    """

    def __init__(
        self,
        options: Sequence[Option],
        strides: Sequence[int],
        made: dict[nn.Module, Term | None],
    ) -> None:
        self._options, self._strides = list(options), strides
        self._stride = strides[options[0][0]] if options else 1
        modules = dict.fromkeys(module for _, _, module in options)
        for module in modules:
            if module not in made:
                identity = type(module) is nn.Identity
                made[module] = Free(SKIP) if identity else getattr(module, "native", lambda: None)()
        self._terms = {module: made[module] for module in modules}
        self._norms = [norm for term in self._terms.values() for norm in _norms(term)]
        self._taken: dict[Any, tuple[list[Any], _Taken]] = {}

    def __call__(
        self, state: Tensor, weights: Callable[[tuple[Entry | None, ...]], Tensor]
    ) -> tuple[list[tuple[int, Tensor]], list[Option]]:
        """(edge, the mixture of its options) of what the kernels take; the options left to torch.

        `weights` gives the weights of entries.
        """
        library = native(state, self._stride)
        if library is None:
            return [], self._options
        key = state.shape, state.dtype, torch.is_grad_enabled()
        # of each norm all that may change and that a call is made for; attributes are slow to read
        modes = [
            (norm.training, norm.momentum, getattr(norm._buffers["running_mean"], "dtype", None))
            for norm in self._norms
        ]
        before, taken = self._taken.get(key, (None, None))
        if taken is None or modes != before:
            taken = self._take(state)
            self._taken[key] = modes, taken
        if taken.call is None:
            return [], self._options
        sums = taken.call(library, state, weights(taken.entries))
        return list(zip(taken.edges, sums, strict=True)), taken.others

    def _take(self, state: Tensor) -> _Taken:
        fits = {
            module: term
            for module, term in self._terms.items()
            if term is not None and all(_fits(norm, state) for norm in _norms(term))
        }
        taken = [o for o in self._options if o[2] in fits and self._strides[o[0]] == self._stride]
        terms = {module: fits[module] for _, _, module in taken}
        if not any(isinstance(term, tuple) for term in terms.values()):
            return _Taken(None, [], (), [])  # pools and identities alone: torch is as fast
        numbers = {module: number for number, module in enumerate(terms)}
        edges = list(dict.fromkeys(edge for edge, _, _ in taken))
        uses = [(numbers[module], edges.index(edge)) for edge, _, module in taken]
        call = Leaving(state, self._stride, list(terms.values()), uses)
        others = [option for option in self._options if option[2] not in terms]
        return _Taken(call, edges, tuple(entry for _, entry, _ in taken), others)


def _norms(term: Term | None) -> list[nn.BatchNorm2d]:
    stages = term if isinstance(term, tuple) else (term,)
    return [stage.norm for stage in stages if stage is not None and stage.norm is not None]


def _fits(norm: nn.BatchNorm2d, state: Tensor) -> bool:
    return not norm.affine and known(norm, state) and norm.num_features == state.shape[1]
