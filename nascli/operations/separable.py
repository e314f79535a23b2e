"""Depthwise-separable convolutions of the DARTS space (Liu et al., 2019, arXiv 1806.09055)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from nascli.operations.affine import Affine, hidden_convolution, normed
from nascli.operations.blocks import ReluFirst, convolution
from nascli.operations.depthwise import Depthwise


class SeparableConv(ReluFirst):
    """Twice ReLU, depthwise convolution, pointwise convolution, batch norm.

    The stride is the first one's.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, shared: bool, kernel: int
    ) -> None:
        body = nn.Sequential(
            Depthwise(in_channels, kernel, stride),
            convolution(in_channels, in_channels, 1),
            nn.BatchNorm2d(in_channels, affine=not shared),
            nn.ReLU(),
            Depthwise(in_channels, kernel),
            convolution(in_channels, out_channels, 1),
        )
        super().__init__(body, out_channels, shared)

    def affine(self, state: Tensor) -> Affine:
        """The steps after the ReLU as an affine map (see `operations.affine`)."""
        first, inner, norm, _, second, outer = cast(nn.Sequential, self.body)
        hidden = normed(first(state), inner, norm)
        return normed(hidden_convolution(hidden, second), outer, self.norm)


class DilatedConv(ReluFirst):
    """ReLU, depthwise convolution of dilation 2, pointwise convolution, batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, shared: bool, kernel: int
    ) -> None:
        body = nn.Sequential(
            Depthwise(in_channels, kernel, stride, dilation=2),
            convolution(in_channels, out_channels, 1),
        )
        super().__init__(body, out_channels, shared)

    def affine(self, state: Tensor) -> Affine:
        """The steps after the ReLU as an affine map (see `operations.affine`)."""
        depthwise, pointwise = cast(nn.Sequential, self.body)
        return normed(depthwise(state), pointwise, self.norm)
