"""The plain convolutions of NAS-Bench-201 (Dong & Yang, 2020, arXiv 2001.00326)."""

from __future__ import annotations

from nascli.operations.blocks import ReluConvNorm


class NormalConv(ReluConvNorm):
    """ReLU, `kernel` x `kernel` convolution, batch norm."""
