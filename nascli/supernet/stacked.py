"""Alike operations on one state, evaluated side by side as one wide operation.

On a GPU a supernet's step is ruled by the number of kernels, which are small. So the convolutions
of all edges that leave a state become one of stacked kernels, their batch norms one wide batch
norm, and its scale is the mixture. An exact rewrite: results, gradients and running statistics are
those of the modules up to rounding. On a CPU it is slower than one edge after the other.

Side by side are E parts of C channels each: (B, E * C, H, W), channels last in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascli.kernels.deferred import Deferred, deferred
from nascli.kernels.depthwise import Depthwise
from nascli.kernels.pointwise import Strided, strided
from nascli.operations.blocks import Halves, Normed, ReluFirst

_TRACKED = ("running_mean", "running_var", "num_batches_tracked")


def stacks(images: Tensor) -> bool:
    """Whether what is computed of `images` is faster side by side."""
    return images.device.type != "cpu"


def side_by_side(modules: Sequence[nn.Module], images: Tensor, weights: Tensor) -> Tensor:
    """What each of E modules makes of the images (B, C, H, W), times its weight (E,).

    The modules differ in nothing but parameters. Those that begin with a ReLU get its result.
    """
    columns = [_layers(module) for module in modules]
    if len(modules) == 1 or not all(columns):
        alone = [getattr(module, "after_relu", module)(images) for module in modules]
        found = [part * weight for part, weight in zip(alone, weights, strict=True)]
        return torch.cat(found, 1) if len(found) > 1 else found[0]
    *steps, norms = zip(*cast(list[list[nn.Module]], columns), strict=True)
    for step in steps:
        images = _step(step, images)
    return _norm(norms, images, weights)


def mixed(results: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
    """E sums of the K results (B, C, H, W), with weights (E, K): one matrix product."""
    rows = torch.stack([_rows(images) for images in results])
    sums = weights.to(rows.dtype) @ rows.flatten(1)
    return [_images(images) for images in sums.view(-1, *rows.shape[1:])]


def halves(module: nn.Module) -> bool:
    """Whether it is one that `at_half_size` knows."""
    return isinstance(module, ReluFirst) and type(module.body) is Halves


def at_half_size(modules: Sequence[nn.Module], state: Tensor) -> dict[nn.Module, Deferred]:
    """What modules that halve a state make of its ReLU (B, C, H, W): on a CPU, by one pass."""
    known = cast(Sequence[ReluFirst], modules)
    results = Halves.of([cast(Halves, module.body) for module in known], state)
    return {m: deferred(found, m.norm) for m, found in zip(known, results, strict=True)}


def _layers(module: nn.Module) -> list[nn.Module] | None:
    """What a module does in turn after its ReLU, the last a batch norm; None if that is unknown."""
    if not isinstance(module, ReluFirst | Normed):
        return None
    body = module.body if isinstance(module.body, nn.Sequential) else [module.body]
    found = [*body, module.norm]
    return found if all(map(_known, found)) else None


def _known(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return type(layer) in (nn.Conv2d, Depthwise, Strided) and layer.bias is None
    if isinstance(layer, nn.BatchNorm2d):
        return layer.track_running_stats and layer.momentum is not None
    return isinstance(layer, nn.ReLU | Halves)


def _step(step: Sequence[nn.Module], images: Tensor) -> Tensor:
    """One layer of every module; the first convolution finds the images only once."""
    first = step[0]
    if isinstance(first, nn.Conv2d):
        return _convolve(cast(Sequence[nn.Conv2d], step), images)
    if isinstance(first, nn.BatchNorm2d):
        return _norm(cast(Sequence[nn.BatchNorm2d], step), images)
    if isinstance(first, Halves):
        halves = cast(Sequence[Halves], step)
        even = _convolve([half.even for half in halves], images)
        odd = _convolve([half.odd for half in halves], Halves.shifted(images))
        parts = [torch.unflatten(_rows(part), -1, (len(step), -1)) for part in (even, odd)]
        return _images(torch.cat(parts, -1).flatten(-2))
    return cast(Tensor, first(images))


def _convolve(convolutions: Sequence[nn.Conv2d], images: Tensor) -> Tensor:
    first, count = convolutions[0], len(convolutions)
    once = images.shape[1] == first.in_channels
    if once and first.groups > 1:
        images, once = _images(_rows(images).repeat(1, 1, 1, count)), False
    weight = torch.cat([convolution.weight for convolution in convolutions])
    groups = first.groups if once else count * first.groups
    if type(first) is Strided and images.device.type == "cpu":
        return strided(images, weight, first.stride[0], groups)
    padding = cast(Any, first.padding)
    return F.conv2d(images, weight, None, first.stride, padding, first.dilation, groups)


def _norm(norms: Sequence[nn.BatchNorm2d], images: Tensor, weights: Tensor | None = None) -> Tensor:
    """One batch norm of all channels, times the weights (E,); running statistics move as theirs."""
    first, size = norms[0], norms[0].num_features
    scale = shift = None
    if weights is not None:
        scale = weights[:, None].expand(-1, size).reshape(-1)
    if first.affine:
        own = torch.cat([norm.weight for norm in norms])
        shift = torch.cat([norm.bias for norm in norms])
        scale, shift = (own, shift) if scale is None else (own * scale, shift * scale)
    mean, variance, count = joint = [_joint(norms, key) for key in _TRACKED]
    if first.training:
        count.add_(1)
    images = F.batch_norm(
        images, mean.flatten(), variance.flatten(), scale, shift,
        first.training, cast(float, first.momentum), first.eps,
    )  # fmt: skip
    for key, values in zip(_TRACKED, joint, strict=True):
        parts = _parts(norms, key)
        if first.training and parts[0]._base is not values:
            torch._foreach_copy_(parts, values.unbind())
    return images


def _joint(norms: Sequence[nn.Module], key: str) -> Tensor:
    """The buffers `key` of all norms, stacked.

    Those that nobody has joined before stay in that one piece of memory, so that they move with it.
    """
    parts = _parts(norms, key)
    bases = [part._base for part in parts]
    first = bases[0]
    if first is not None and len(first) == len(parts) and all(base is first for base in bases):
        return first
    joint = torch.stack(parts)
    if all(base is None for base in bases):
        for norm, part in zip(norms, joint.unbind(), strict=True):
            setattr(norm, key, part)
    return joint


def _parts(norms: Sequence[nn.Module], key: str) -> list[Tensor]:
    return [cast(Tensor, getattr(norm, key)) for norm in norms]


def _rows(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W, C)."""
    return images.permute(0, 2, 3, 1)


def _images(rows: Tensor) -> Tensor:
    """The inverse."""
    return rows.permute(0, 3, 1, 2)
