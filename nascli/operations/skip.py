"""Operations that compute nothing, or as little as the shapes allow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascli.operations.blocks import Halves, ReluFirst
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
