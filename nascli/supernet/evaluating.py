"""Inverted residual blocks as a supernet evaluates them: the same results in fewer passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

from torch import Tensor, nn

from nascli.kernels.choosing import known, native
from nascli.kernels.depthwise import Depthwise
from nascli.kernels.expansion import normed, pays
from nascli.kernels.native.residual import ACTIVATIONS, Normed, middle
from nascli.operations.inverted import DepthwiseSeparable, InvertedResidual

Module = TypeVar("Module", bound=nn.Module)


def in_place(module: Module) -> Module:
    """`module` with ReLUs that write into what they read: batch norms do not ask for it again."""
    for inside in module.modules():
        if isinstance(inside, nn.ReLU | nn.ReLU6):
            inside.inplace = True
    return module


def evaluated(module: nn.Module, images: Tensor, folds: bool = False) -> Tensor:
    """What `module` makes of images (B, C, H, W).

    Where torch computes and `folds`, the batch norm of an expansion may be folded into it.
    """
    residual = type(module) is InvertedResidual
    if not residual and type(module) is not DepthwiseSeparable:
        return cast(Tensor, module(images))
    steps = list(cast(nn.Sequential, module.steps if residual else module))
    at = next(number for number, step in enumerate(steps) if isinstance(step, Depthwise))
    state, rest = _natively(steps, at, images)
    if rest is steps and folds and at:
        expansion, norm = cast(nn.Conv2d, steps[0]), cast(nn.BatchNorm2d, steps[1])
        if pays(expansion, norm, images):
            state, rest = normed(expansion, norm, images), steps[2:]
    for step in rest:
        state = step(state)
    return images + state if residual and module.residual else state


def _natively(
    steps: Sequence[nn.Module], at: int, images: Tensor
) -> tuple[Tensor, Sequence[nn.Module]]:
    """What the kernels in C make of the images, and the steps behind; `at` is the convolution.

    With statistics that are tracked torch is as fast.
    """
    depthwise = cast(Depthwise, steps[at])
    library = native(images, depthwise.stride[0])
    before, after = _normed(steps[1:at]), _normed(steps[at + 1 : at + 3])
    start = min(at, 1)
    if at - start > 1 and not before.activation:  # it is one that torch has alone
        before, start = Normed(), at
    height, width = (-(-side // depthwise.stride[0]) for side in images.shape[2:])
    norms = [part.norm for part in (before, after) if part.norm is not None]
    fits = all(norm.training and known(norm, images) for norm in norms)
    if library is None or not fits or len(images) * height * width < 2:
        return images, steps
    state = images
    for step in steps[:start]:
        state = step(state)
    state = middle(library, state, before, depthwise, after)
    return state, steps[at + 2 + (after.activation > 0) :]


def _normed(steps: Sequence[nn.Module]) -> Normed:
    """Batch norm and activation, in as far as the kernels in C have it."""
    if not steps:
        return Normed()
    activation = ACTIVATIONS.get(type(steps[1]), 0) if len(steps) > 1 else 0
    return Normed(cast(nn.BatchNorm2d, steps[0]), activation)
