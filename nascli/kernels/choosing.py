"""Whether the kernels in C compute, or torch: the one place that says it."""

from __future__ import annotations

import ctypes

from torch import Tensor, nn

from nascli.kernels.depthwise import rewritten
from nascli.kernels.native.library import load


def native(images: Tensor) -> ctypes.CDLL | None:
    """The library that computes of `images`; None if torch does.

    It does on GPUs, in low precision, and where `kernels.native.library.load` gives none: where
    second derivatives are wanted the caller asks for that by `without`.
    """
    return load() if rewritten(images) else None


def by_batch(norm: nn.BatchNorm2d, images: Tensor) -> bool:
    """Whether `norm` is one that the library has: of the batch's statistics, without scale."""
    tracked = norm.running_mean
    plain = norm.training and not norm.affine and norm.momentum is not None
    return plain and tracked is not None and tracked.dtype == images.dtype
