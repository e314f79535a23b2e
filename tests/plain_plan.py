"""A plain and slow reading of plans: every result is kept, nothing is shared or rearranged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from nascli.core.plan import Place


def interpreted(
    places: Iterable[Place], module: Callable[[str], nn.Module], known: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The result of every place, from those that are known; `module` finds a place's module."""
    results = dict(known)
    for place in places:
        inputs = [results[name] for name in place.inputs]
        if place.kind == "layer":
            (read,) = inputs
            results[place.name] = module(place.name)(read)
        elif place.kind == "concatenate":
            results[place.name] = torch.cat(inputs, dim=1)
        else:
            assert place.kind == "add"
            like = next(iter(known.values()))
            total = torch.zeros(len(like), *place.shape, dtype=like.dtype)
            for term in inputs:
                total = total + term
            results[place.name] = total
    return results
