"""Blocks that operations and the fixed parts of networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
        normed: Tensor = self.norm(self.body(state))
        return normed


class ReluConvNorm(ReluFirst):
    """ReLU, convolution, batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, shared: bool, kernel: int = 1
    ) -> None:
        body = convolution(in_channels, out_channels, kernel, stride)
        super().__init__(body, out_channels, shared)


class FactorizedReduction(ReluFirst):
    """ReLU, two 1x1 convolutions at stride 2, one pixel apart and side by side, batch norm."""

    def __init__(self, in_channels: int, out_channels: int, shared: bool) -> None:
        super().__init__(_Halves(in_channels, out_channels), out_channels, shared)


class _Halves(nn.Module):
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
        shifted = state[:, :, 1:, 1:]
        height, width = state.shape[-2:]
        if height % 2 or width % 2:
            shifted = F.pad(shifted, (0, width % 2, 0, height % 2))
        return torch.cat([self.even(state), self.odd(shifted)], dim=1)


class Stem(nn.Module):
    """3x3 convolutions with batch norm, a ReLU between two: images -> the first state.

    `channels` are those of the image and of each convolution's output, `strides` one a convolution.
    """

    def __init__(
        self, channels: tuple[int, ...], strides: tuple[int, ...], *, relu_first: bool = False
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for index, stride in enumerate(strides):
            if index or relu_first:
                steps.append(nn.ReLU())
            steps.append(convolution(channels[index], channels[index + 1], 3, stride))
            steps.append(nn.BatchNorm2d(channels[index + 1]))
        self.steps = nn.Sequential(*steps)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels[-1], H', W')."""
        state: Tensor = self.steps(images)
        return state


class Classifier(nn.Module):
    """Global average pooling and a linear layer: (B, C, H, W) -> (B, classes)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, state: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.linear(state.mean(dim=(2, 3)))
        return logits


class ResidualReduction(nn.Module):
    """A residual block that halves the image (He et al., 2016, arXiv 1512.03385).

    As in NAS-Bench-201: its shortcut is average pooling and a 1x1 convolution without batch norm.
    An odd last row or column is pooled alone; the published code cannot take odd sizes.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = ReluConvNorm(in_channels, out_channels, 2, False, kernel=3)
        self.second = ReluConvNorm(out_channels, out_channels, 1, False, kernel=3)
        pool = nn.AvgPool2d(2, ceil_mode=True)
        self.shortcut = nn.Sequential(pool, convolution(in_channels, out_channels, 1))

    def forward(self, state: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out_channels, ceil(H/2), ceil(W/2))."""
        total: Tensor = self.second(self.first(state)) + self.shortcut(state)
        return total


class NormRelu(nn.Module):
    """Batch norm and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, state: Tensor) -> Tensor:
        """Of the same shape."""
        return F.relu(self.norm(state))


def convolution(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    *,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution without bias whose output has ceil(size / stride) pixels a side."""
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False
    )
