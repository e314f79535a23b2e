"""1x1 convolutions at strides above 1, whose gradients CPUs compute without writing past memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Strided(nn.Conv2d):
    """A 1x1 convolution without bias: (B, C, H, W) -> (B, out, ceil(H / s), ceil(W / s)).

    oneDNN's gradient of its weights writes past the memory it has asked for, where images are
    channels_last and have fewer channels than a vector has numbers (uxlfoundation/oneDNN issue
    6035): the process ends, or hangs, or goes on with wrong numbers. At stride 1 it does not.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """As `nn.Conv2d`; where gradients are wanted on a CPU, of the pixels that it reads."""
        if not (torch.is_grad_enabled() and images.device.type == "cpu"):
            return super().forward(images)
        return strided(images, self.weight, self.stride[0])


def strided(images: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """The convolution of every `stride`-th pixel of every `stride`-th row."""
    return F.conv2d(images[:, :, ::stride, ::stride], weight, groups=groups)
