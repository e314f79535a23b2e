"""Which NAS-Bench-201 cells compute the same function.

Merged are cells that differ only in edges which carry nothing (nothing reaches them, or they reach
nothing), in detours over `skip_connect`, in the order of the nodes, or in how often the same pool
of the same state is computed. Of 15,625 cells, 5,260 remain.

An operation with weights is a function of its own at each edge: a sum of two 3x3 convolutions of
one state is not twice one convolution. The benchmark's own merging (Dong & Yang, 2020, arXiv
2001.00326: 6,466 cells) differs both ways: it takes those two for one, and keeps sums apart that
differ in terms which are zero.

A convolution of zeros alone counts as nothing, as in the paper, although its batch norm may learn a
constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from nascli.core.choice import NONE
from nascli.genotypes.nasbench201 import PLACES

_SKIP = "skip_connect"
_WEIGHTLESS = (NONE, _SKIP, "avg_pool_3x3", "max_pool_3x3")
_OUTPUT = 3

Options = tuple[str, ...]
Value = tuple[Any, ...]
"""A sum: its terms in order, each (operation, value); the input is the term ()."""


@lru_cache(maxsize=1 << 16)
def smallest(options: Options, operations: Options) -> Options:
    """The smallest cell that computes what `options` does, by the order of `operations`."""
    kept = _live(options)
    weighted = tuple(sorted(o for o in kept if o not in _WEIGHTLESS))
    return _table(weighted, operations)[_meaning(kept)]


def _live(options: Options) -> Options:
    """`options` with `none` on every edge that carries nothing."""
    fed, used = {0}, {_OUTPUT}
    for (source, target), option in zip(PLACES, options, strict=True):
        if option != NONE and source in fed:
            fed.add(target)
    for (source, target), option in zip(reversed(PLACES), reversed(options), strict=True):
        if option != NONE and target in used:
            used.add(source)
    return tuple(
        option if source in fed and target in used else NONE
        for (source, target), option in zip(PLACES, options, strict=True)
    )


def _meaning(options: Options) -> tuple[Value, Value]:
    """What the output is a sum of, and all operations with weights in it: equal for equal cells.

    The first alone would not tell a state that is used twice from two alike. `options` are live.
    """
    sums: list[Value] = [((),), (), (), ()]
    weighted = []
    for (source, target), option in zip(PLACES, options, strict=True):
        if option == NONE:
            continue
        term = (option, sums[source])
        sums[target] = tuple(sorted(sums[target] + (sums[source] if option == _SKIP else (term,))))
        if option not in _WEIGHTLESS:
            weighted.append(term)
    return sums[_OUTPUT], tuple(sorted(weighted))


@lru_cache(maxsize=1 << 12)
def _table(weighted: Options, operations: Options) -> dict[tuple[Value, Value], Options]:
    """Meaning -> smallest cell, over all live cells with exactly these operations with weights."""
    found: dict[tuple[Value, Value], Options] = {}
    for options in _arrangements(weighted, operations, len(PLACES)):
        if _live(options) == options:
            found.setdefault(_meaning(options), options)
    return found


def _arrangements(weighted: Options, operations: Options, places: int) -> Iterator[Options]:
    """Every way to fill `places`, smallest first: all of `weighted`, and others without weights."""
    if places == 0:
        yield ()
        return
    for operation in operations:
        rest = weighted
        if operation in weighted:
            number = weighted.index(operation)
            rest = weighted[:number] + weighted[number + 1 :]
        elif operation not in _WEIGHTLESS or len(weighted) == places:
            continue
        for others in _arrangements(rest, operations, places - 1):
            yield (operation, *others)
