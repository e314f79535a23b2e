"""Plain convolutions, as in NAS-Bench-201 (Dong & Yang, 2020, arXiv 2001.00326)."""

from __future__ import annotations

from nascli.operations.blocks import ReluFirst, convolution


class ReluConvNorm(ReluFirst):
    """ReLU, `kernel` x `kernel` convolution, batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, shared: bool, kernel: int = 1
    ) -> None:
        body = convolution(in_channels, out_channels, kernel, stride)
        super().__init__(body, out_channels, shared)
