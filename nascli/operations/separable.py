"""Depthwise-separable convolutions of the DARTS space (Liu et al., 2019, arXiv 1806.09055)."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from nascli.kernels.deferred import Deferred, deferred, pointwise, rectified
from nascli.kernels.depthwise import Depthwise
from nascli.kernels.native.leaving import Stage
from nascli.operations.blocks import ReluFirst, convolution


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

    def deferred(self, state: Tensor) -> Deferred:
        """The steps after the ReLU, the norm left for later (see `kernels.deferred`)."""
        first, inner, norm, _, second, outer = cast(nn.Sequential, self.body)
        hidden = deferred(pointwise(first(state), inner), norm)
        return deferred(pointwise(second(rectified(hidden)), outer), self.norm)

    def native(self) -> tuple[Stage, ...]:
        """What the kernels in C compute (see `kernels.native.leaving`)."""
        first, inner, norm, _, second, outer = cast(Any, self.body)
        return Stage(first, inner, norm), Stage(second, outer, self.norm)


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

    def deferred(self, state: Tensor) -> Deferred:
        """The steps after the ReLU, the norm left for later (see `kernels.deferred`)."""
        depthwise, narrow = cast(nn.Sequential, self.body)
        return deferred(pointwise(depthwise(state), narrow), self.norm)

    def native(self) -> tuple[Stage, ...]:
        """What the kernels in C compute (see `kernels.native.leaving`)."""
        depthwise, narrow = cast(Any, self.body)
        return (Stage(depthwise, narrow, self.norm),)
