"""Plain convolutions, as in NAS-Bench-201 (Dong & Yang, 2020, arXiv 2001.00326)."""

from __future__ import annotations

from torch import Tensor

from nascli.kernels.deferred import Deferred, deferred, pointwise
from nascli.operations.blocks import ReluFirst, convolution


class ReluConvNorm(ReluFirst):
    """ReLU, `kernel` x `kernel` convolution, batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, shared: bool, kernel: int = 1
    ) -> None:
        body = convolution(in_channels, out_channels, kernel, stride)
        super().__init__(body, out_channels, shared)
        self._pointwise = kernel == stride == 1

    def deferred(self, state: Tensor) -> Deferred:
        """The steps after the ReLU, the norm left for later (see `kernels.deferred`)."""
        if self._pointwise:
            return deferred(pointwise(state, self.body), self.norm)
        return super().deferred(state)
