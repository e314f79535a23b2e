"""Whether the kernels in C compute, or torch: the one place that says it."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn

from nascli.kernels.depthwise import rewritten
from nascli.kernels.native.library import load

_STRIDE = 2  # the largest that they have


def native(images: Tensor, stride: int) -> ctypes.CDLL | None:
    """The library that computes of `images`; None if torch does.

    It does on GPUs, in low precision, at strides above 2, and where `kernels.native.library.load`
    gives none: where second derivatives are wanted the caller asks for that by `without`.
    """
    return load() if stride <= _STRIDE and rewritten(images) else None


def known(norm: nn.BatchNorm2d, images: Tensor) -> bool:
    """Whether `norm` is one that the library has.

    It takes the batch's statistics; or those that it tracks, without gradients.
    """
    tracked = norm.running_mean
    plain = norm.momentum is not None and (norm.training or not torch.is_grad_enabled())
    return plain and tracked is not None and tracked.dtype == images.dtype
