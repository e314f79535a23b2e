"""What operations and the fixed parts of networks are made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.fault import Fault
from nascli.kernels.deferred import Deferred, deferred
from nascli.kernels.depthwise import margin
from nascli.kernels.native.leaving import AVERAGE_POOL, MAX_POOL, Free
from nascli.kernels.pointwise import Strided


class ReluFirst(nn.Module):
    """ReLU, then `body`, then batch norm: (B, C, H, W) -> (B, out_channels, H', W').

    A mixed evaluation may share the ReLU among all such modules that read the same state.
    """

    def __init__(self, body: nn.Module, out_channels: int, shared: bool) -> None:
        super().__init__()
        self.body = body
        self.norm = nn.BatchNorm2d(out_channels, affine=not shared)

    def forward(self, state: Tensor) -> Tensor:
        """All three steps."""
        return self.after_relu(F.relu(state))

    def after_relu(self, state: Tensor) -> Tensor:
        """The steps after the ReLU."""
        out: Tensor = self.norm(self.body(state))
        return out

    def deferred(self, state: Tensor) -> Deferred:
        """The same, the norm left for later (see `kernels.deferred`)."""
        return deferred(self.body(state), self.norm)


class Normed(nn.Module):
    """An operation followed by batch norm without scale and shift."""

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body = body
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, state: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels, H', W')."""
        out: Tensor = self.norm(self.body(state))
        return out

    def deferred(self, state: Tensor) -> Deferred:
        """The same, the norm left for later (see `kernels.deferred`)."""
        return deferred(self.body(state), self.norm)

    def native(self) -> Free | None:
        """What the kernels in C compute (see `kernels.native.leaving`), if it is that."""
        body = self.body
        if type(body) is nn.MaxPool2d and (body.kernel_size, body.padding) == (3, 1):
            return Free(MAX_POOL, self.norm)
        if type(body) is nn.AvgPool2d and (body.kernel_size, body.padding) == (3, 1):
            return None if body.count_include_pad else Free(AVERAGE_POOL, self.norm)
        return None


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias whose output has ceil(size / stride) pixels a side."""
    if kernel == 1 and stride > 1:
        return Strided(in_channels, out_channels, stride)
    return nn.Conv2d(in_channels, out_channels, kernel, stride, margin(kernel), bias=False)


class Halves(nn.Module):
    """(B, C, H, W) -> (B, out_channels, ceil(H/2), ceil(W/2)).

    The second half reads the odd pixels. At an odd size it lacks a last row or column, which is
    zero here, so that the size is that of a padded 3x3 convolution; the published code cannot take
    odd sizes.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if out_channels < 2:
            raise Fault(f"two halves of {out_channels} channel cannot be made; take at least 2")
        first = out_channels // 2
        self.even = convolution(in_channels, first, 1, 2)
        self.odd = convolution(in_channels, out_channels - first, 1, 2)

    def forward(self, state: Tensor) -> Tensor:
        """Both halves side by side."""
        return torch.cat([self.even(state), self.odd(self.shifted(state))], dim=1)

    @staticmethod
    def of(several: Sequence[Halves], state: Tensor) -> list[Tensor]:
        """What each makes of the state (B, C, H, W) up to rounding; it is gone through once.

        The libraries' convolutions at stride 2 take several times as long as the matrix products
        that they come to, above all backwards.
        """
        pixels = [part.permute(0, 2, 3, 1)[:, ::2, ::2] for part in (state, Halves.shifted(state))]
        both = torch.cat(pixels, dim=-1)  # (B, H', W', 2 C)
        rows = both.flatten(0, 2)
        weights = [
            torch.block_diag(h.even.weight.flatten(1), h.odd.weight.flatten(1))  # type: ignore[no-untyped-call]
            for h in several
        ]
        results = [(rows @ weight.T).view(*both.shape[:3], len(weight)) for weight in weights]
        return [result.permute(0, 3, 1, 2) for result in results]

    @staticmethod
    def shifted(state: Tensor) -> Tensor:
        """What the second half reads."""
        shifted = state[:, :, 1:, 1:]
        height, width = state.shape[-2:]
        if height % 2 or width % 2:
            shifted = F.pad(shifted, (0, width % 2, 0, height % 2))
        return shifted
