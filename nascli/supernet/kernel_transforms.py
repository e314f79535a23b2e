"""Smaller kernels made of larger ones.

Cai et al., Once-for-All, ICLR 2020 (arXiv 1908.09791), section 3.3: the middle of a kernel, seen as
a vector, times a matrix that a layer has for every smaller size and that its channels share.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class KernelTransforms(nn.Module):
    """Kernels of `largest` pixels a side -> those of 2, 4, ... fewer, down to `least`.

    A 3x3 kernel is made of the 5x5 one that is made of the 7x7 one. The matrices are identities at
    first.
    """

    def __init__(self, largest: int, least: int) -> None:
        super().__init__()
        sides = range(largest - 2, least - 1, -2)
        self.matrices = nn.ParameterList(nn.Parameter(torch.eye(side**2)) for side in sides)

    def forward(self, weight: Tensor, side: int) -> Tensor:
        """(C, 1, k, k) -> (C, 1, side, side)."""
        for matrix in self.matrices:
            if weight.shape[-1] == side:
                break
            inner = middle(weight, weight.shape[-1] - 2)
            weight = F.linear(inner.flatten(1), matrix).view_as(inner)
        return weight


def middle(weight: Tensor, side: int) -> Tensor:
    """(C, 1, k, k) -> (C, 1, side, side): the middle alone."""
    margin = (weight.shape[-1] - side) // 2
    return weight[:, :, margin : margin + side, margin : margin + side]
