"""Operations that compute nothing, or as little as the shapes allow."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.operations.blocks import ReluFirst, convolution
from nascli.operations.convolution import ReluConvNorm


def skip_connect(in_channels: int, out_channels: int, stride: int, shared: bool) -> nn.Module:
    """The identity; a factorized reduction at stride 2, a 1x1 convolution if channels change."""
    if stride == 2:
        return FactorizedReduction(in_channels, out_channels, shared)
    if in_channels != out_channels:
        return ReluConvNorm(in_channels, out_channels, stride, shared)
    return nn.Identity()


class FactorizedReduction(ReluFirst):
    """ReLU, two 1x1 convolutions at stride 2, one pixel apart and side by side, batch norm."""

    def __init__(self, in_channels: int, out_channels: int, shared: bool) -> None:
        super().__init__(Halves(in_channels, out_channels), out_channels, shared)


class Halves(nn.Module):
    """(B, C, H, W) -> (B, out_channels, ceil(H/2), ceil(W/2)).

    The second half reads the odd pixels. At an odd size it lacks a last row or column, which is
    zero here, so that the size is that of a padded 3x3 convolution; the published code cannot take
    odd sizes.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        first = out_channels // 2
        self.even = convolution(in_channels, first, 1, 2)
        self.odd = convolution(in_channels, out_channels - first, 1, 2)

    def forward(self, state: Tensor) -> Tensor:
        """Both halves side by side."""
        return torch.cat([self.even(state), self.odd(self.shifted(state))], dim=1)

    @staticmethod
    def shifted(state: Tensor) -> Tensor:
        """What the second half reads."""
        shifted = state[:, :, 1:, 1:]
        height, width = state.shape[-2:]
        if height % 2 or width % 2:
            shifted = F.pad(shifted, (0, width % 2, 0, height % 2))
        return shifted


class Zero(nn.Module):
    """Zeros: (B, C, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, _in_channels: int, out_channels: int, stride: int, _shared: bool) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, state: Tensor) -> Tensor:
        """Zeros that pass no gradient on."""
        kept = state[:, :1, :: self.stride, :: self.stride]
        return torch.zeros_like(kept).expand(-1, self.out_channels, -1, -1).contiguous()
