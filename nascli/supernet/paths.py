"""A single path through a supernet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nascli.core.choice import NONE, Edge
from nascli.core.supernet import Mixture


def path(edges: Sequence[Edge], chosen: Mapping[str, str], like: Tensor) -> Mixture:
    """The mixture that takes `chosen[edge name]` with weight 1, and nothing on any other edge.

    Its weights have the device and the type of `like`.
    """
    numbers = [e.options.index(chosen[e.name]) if e.name in chosen else None for e in edges]
    columns = max(len(edge.options) for edge in edges)
    rows = [[float(column == number) for column in range(columns)] for number in numbers]
    active = tuple(
        () if number is None or edge.options[number] == NONE else (number,)
        for edge, number in zip(edges, numbers, strict=True)
    )
    weights = torch.tensor(rows, dtype=like.dtype).to(like.device, non_blocking=True)
    return Mixture(weights, active)
