"""Partial channels: options work on one channel in k, the others pass them by.

Xu et al., PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search, ICLR 2020
(arXiv 1907.05737), section 3.2. Widening as Chen et al., DrNAS, ICLR 2021 (arXiv 2006.10355),
section 4, but with copies in order where they draw them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.fault import Fault
from nascli.core.plan import Layer


def check_partial(k: int, channels: Iterable[int]) -> None:
    """Whether options can work on one channel in `k` of each of `channels`.

    Raises:
        Fault: they cannot.
    """
    found = sorted(set(channels))
    if k >= 1 and not any(count % k for count in found):
        return
    *others, last = map(str, found)
    text = f"{', '.join(others)} and {last}" if others else last
    fitting = [d for d in range(1, found[0] + 1) if not any(count % d for count in found)]
    raise Fault(
        f"strategy.partial_channels is {k}; it must divide the supernet's channels {text} "
        f"(allowed: {', '.join(map(str, fitting))})"
    )


def thinned(layer: Layer, k: int) -> Layer:
    """The same layer on one channel in `k`."""
    return replace(layer, in_channels=layer.in_channels // k, out_channels=layer.out_channels // k)


def replaced(old: nn.Module, new: nn.Module, *, wider: bool) -> nn.Module:
    """`new` in the place of `old`, with what `old` has learnt if it is the wider one."""
    like = next(old.parameters(), None)
    if wider:
        widen(new, old)
    new.train(old.training)
    return new if like is None else new.to(like.device, like.dtype)


def split(state: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) -> its first C / k channels, and the others."""
    first, layout = state.shape[1] // k, torch.channels_last
    parts = state[:, :first], state[:, first:]
    return parts[0].contiguous(memory_format=layout), parts[1].contiguous(memory_format=layout)


def halved(state: Tensor) -> Tensor:
    """Channels that pass an edge of stride 2 by; an odd last row or column is pooled alone."""
    return F.max_pool2d(state, 2, ceil_mode=True)


def joined(part: Tensor, others: Tensor, k: int) -> Tensor:
    """Both side by side, shuffled in `k` groups, so that other channels come first next time."""
    rows = torch.cat([part, others], dim=1).permute(0, 2, 3, 1)
    groups = rows.reshape(*rows.shape[:-1], k, -1)  # (B, H, W, k, C / k)
    return groups.transpose(-1, -2).flatten(-2).permute(0, 3, 1, 2)


@torch.no_grad()
def widen(new: nn.Module, old: nn.Module) -> None:
    """Starts `new` from what `old`, the same with fewer channels, has learnt.

    Channel c of the new one is a copy of channel c mod (old channels), as input and as output.
    """
    before = old.state_dict()
    for name, value in new.state_dict().items():
        known = before[name]
        for dimension, size in enumerate(value.shape):
            index = torch.arange(size, device=known.device) % known.shape[dimension]
            known = known.index_select(dimension, index)
        value.copy_(known)
