"""What operations and the fixed parts of networks are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nascli.operations.deferred import Deferred, deferred
from nascli.operations.depthwise import margin


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
        out: Tensor = self.norm(self.body(state))
        return out

    def deferred(self, state: Tensor) -> Deferred:
        """The same, the norm left for later (see `operations.deferred`)."""
        return deferred(self.body(state), self.norm)


class Normed(nn.Module):
    """An operation followed by batch norm without scale and shift."""

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body = body
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, state: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels, H', W')."""
        out: Tensor = self.norm(self.body(state))
        return out

    def deferred(self, state: Tensor) -> Deferred:
        """The same, the norm left for later (see `operations.deferred`)."""
        return deferred(self.body(state), self.norm)


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias whose output has ceil(size / stride) pixels a side."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, margin(kernel), bias=False)
