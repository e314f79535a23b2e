"""Pooling; it has neither weights nor batch norm."""

from __future__ import annotations

from torch import nn

from nascli.kernels.depthwise import margin


def average_pool(
    in_channels: int, out_channels: int, stride: int, _shared: bool, kernel: int = 3
) -> nn.Module:
    """Average pooling that leaves the padding out of the average; keeps the channels."""
    _same(in_channels, out_channels)
    return nn.AvgPool2d(kernel, stride, margin(kernel), count_include_pad=False)


def max_pool(
    in_channels: int, out_channels: int, stride: int, _shared: bool, kernel: int = 3
) -> nn.Module:
    """Max pooling; keeps the channels."""
    _same(in_channels, out_channels)
    return nn.MaxPool2d(kernel, stride, margin(kernel))


def _same(in_channels: int, out_channels: int) -> None:
    if in_channels != out_channels:
        raise ValueError(f"pooling keeps {in_channels} channels; {out_channels} were asked for")
