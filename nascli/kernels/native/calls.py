"""What calls of the library have in common; `leaving.h` has the same structure of a batch norm."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from ctypes import Structure, c_double, c_void_p
from typing import Any, cast

import torch
from torch import Tensor, nn

_BYTES = 64  # of the widest vector that the library may use
_FEW = 8  # channels of float32 that it fills up to no more than these (kernels.c)
_OTHERWISE = "compute what needs that under nascli.kernels.native.library.without()"


class Norm(Structure):
    """A batch norm, and where its statistics go."""

    _fields_ = (
        ("running_mean", c_void_p), ("running_variance", c_void_p), ("batches", c_void_p),
        ("momentum", c_double), ("eps", c_double), ("mean", c_void_p), ("scale", c_void_p),
    )  # fmt: skip


def described(norm: nn.BatchNorm2d, mean: int, scale: int) -> tuple[Any, ...]:
    """The fields of a `Norm`; `mean` and `scale` are places of (channels filled up) of float64."""
    tracked = norm._buffers  # hundreds of norms a step: attributes of modules are slow to read
    batches = tracked["num_batches_tracked"] if norm.training else None
    places = map(pointer, (tracked["running_mean"], tracked["running_var"], batches))
    return *places, norm.momentum, norm.eps, mean, scale


def filled(images: Tensor) -> int:
    """The channels of images (B, C, H, W), filled up to whole vectors."""
    if images.dtype == torch.float32 and images.shape[1] <= _FEW:
        return _FEW
    lanes = _BYTES // images.element_size()
    return -(-images.shape[1] // lanes) * lanes


def pointer(tensor: Tensor | None) -> int:
    """Where the numbers are; 0 for None."""
    return 0 if tensor is None else tensor.data_ptr()


def run(library: ctypes.CDLL, name: str, call: Structure, images: Tensor) -> None:
    """The function of that name for the type of the images, forward or backward.

    Raises:
        MemoryError: there is not enough.
    """
    kind = "f32" if images.dtype == torch.float32 else "f64"
    if getattr(library, f"nas_{name}_{kind}")(ctypes.byref(call)):
        raise MemoryError(f"not enough memory for {len(images)} images; take a smaller batch_size")


def save(ctx: Any, tensors: Sequence[Tensor | None]) -> None:
    """Saves what a call refers to for its backward pass, which finds it by `saved`.

    The last is a tensor that the call has made.
    """
    ctx.save_for_backward(*tensors)
    ctx.last = weakref.ref(cast(Tensor, tensors[-1]))


def saved(ctx: Any) -> tuple[Tensor, ...]:
    """What `save` has saved.

    Raises:
        RuntimeError: the backward pass is to be differentiated itself; what was saved has been let
            go and computed again (torch.utils.checkpoint), so that the call refers to nothing.
    """
    if torch.is_grad_enabled():
        raise RuntimeError(f"native kernels have no second derivatives; {_OTHERWISE}")
    tensors = cast(tuple[Tensor, ...], ctx.saved_tensors)
    if tensors[-1] is not ctx.last():
        raise RuntimeError(f"native kernels do not go with torch.utils.checkpoint; {_OTHERWISE}")
    return tensors
