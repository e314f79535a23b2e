"""A single path through a supernet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nascli.core.choice import NONE, Choice
from nascli.core.supernet import Mixture


def path(choices: Sequence[Choice], taken: Mapping[str, str], like: Tensor) -> Mixture:
    """The mixture that takes `taken[name of a choice]` with weight 1, and nothing at any other.

    Its weights have the device and the type of `like`.
    """
    numbers = [c.options.index(taken[c.name]) if c.name in taken else None for c in choices]
    columns = max(len(choice.options) for choice in choices)
    rows = [[float(column == number) for column in range(columns)] for number in numbers]
    active = tuple(
        () if number is None or choice.options[number] == NONE else (number,)
        for choice, number in zip(choices, numbers, strict=True)
    )
    weights = torch.tensor(rows, dtype=like.dtype).to(like.device, non_blocking=True)
    return Mixture(weights, active)
