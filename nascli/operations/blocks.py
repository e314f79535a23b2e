"""What operations and the fixed parts of networks are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nascli.core.fault import Fault


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
    padding = dilation * margin(kernel)
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False
    )


def margin(kernel: int) -> int:
    """How many pixels a kernel has on either side of its middle.

    Raises:
        Fault: it has no middle.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise Fault(f"an operation has kernel={kernel}; it must be an odd number of pixels")
    return kernel // 2
