"""Pooling; it has neither weights nor batch norm where channels stay."""

from __future__ import annotations

from torch import nn

from nascli.kernels.depthwise import margin
from nascli.operations.convolution import ReluConvNorm


def average_pool(
    in_channels: int, out_channels: int, stride: int, shared: bool, kernel: int = 3
) -> nn.Module:
    """Average pooling that leaves the padding out of the average; see `_projected`."""
    pool = nn.AvgPool2d(kernel, stride, margin(kernel), count_include_pad=False)
    return _projected(pool, in_channels, out_channels, shared)


def max_pool(
    in_channels: int, out_channels: int, stride: int, shared: bool, kernel: int = 3
) -> nn.Module:
    """Max pooling; see `_projected`."""
    pool = nn.MaxPool2d(kernel, stride, margin(kernel))
    return _projected(pool, in_channels, out_channels, shared)


def _projected(pool: nn.Module, in_channels: int, out_channels: int, shared: bool) -> nn.Module:
    """`pool`, with a ReLU, a 1x1 convolution and a batch norm behind it if channels change."""
    if in_channels == out_channels:
        return pool
    return nn.Sequential(pool, ReluConvNorm(in_channels, out_channels, 1, shared))
