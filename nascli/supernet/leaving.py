"""Operations of a cell that the kernels in C compute together, and what is left to torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from nascli.kernels.choosing import known, native
from nascli.kernels.native.leaving import SKIP, Free, Term, leaving

Entry = tuple[int, int]
Option = tuple[int, Entry, nn.Module]
"""An edge, an option's entry in the mixture, and its module."""


def together(
    state: Tensor,
    options: Sequence[Option],
    strides: Sequence[int],
    weights: Callable[[tuple[Entry | None, ...]], Tensor],
    made: dict[nn.Module, Term | None],
) -> tuple[list[tuple[int, Tensor]], list[Option]]:
    """(edge, the mixture of its options) of what the kernels take; the options that they do not.

    `strides` are those of the edges, `weights` gives the weights of entries. `made` keeps what the
    kernels make of modules from one pass to the next.
    """
    stride = strides[options[0][0]] if options else 1
    library = native(state, stride)
    terms: dict[nn.Module, Term] = {}
    taken: list[Option] = []
    others: list[Option] = []
    for option in options:
        edge, _, module = option
        if module not in terms and library is not None and strides[edge] == stride:
            term = _term(module, state, made)
            if term is not None:
                terms[module] = term
        (taken if module in terms else others).append(option)
    if library is None or not any(isinstance(term, tuple) for term in terms.values()):
        return [], list(options)  # pools and identities alone: torch is as fast, in less memory
    numbers = {module: number for number, module in enumerate(terms)}
    edges = list(dict.fromkeys(edge for edge, _, _ in taken))
    uses = [(numbers[module], edges.index(edge)) for edge, _, module in taken]
    mixture = weights(tuple(entry for _, entry, _ in taken))
    sums = leaving(library, state, stride, list(terms.values()), uses, mixture)
    return list(zip(edges, sums, strict=True)), others


def _term(module: nn.Module, state: Tensor, made: dict[nn.Module, Term | None]) -> Term | None:
    """What the kernels make of the module; None if they do not know it."""
    if module not in made:
        identity = type(module) is nn.Identity
        made[module] = Free(SKIP) if identity else getattr(module, "native", lambda: None)()
    found = made[module]
    for stage in found if isinstance(found, tuple) else (found,):
        if stage is not None and stage.norm is not None and not _fits(stage.norm, state):
            return None
    return found


def _fits(norm: nn.BatchNorm2d, state: Tensor) -> bool:
    return not norm.affine and known(norm, state) and norm.num_features == state.shape[1]
