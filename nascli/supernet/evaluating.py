"""Inverted residual blocks as a supernet evaluates them: the same results in fewer passes."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import Tensor, nn

from nascli.kernels.depthwise import Depthwise
from nascli.kernels.expansion import normed, pays
from nascli.operations.inverted import InvertedResidual

Module = TypeVar("Module", bound=nn.Module)


def in_place(module: Module) -> Module:
    """`module` with ReLUs that write into what they read: batch norms do not ask for it again."""
    for inside in module.modules():
        if isinstance(inside, nn.ReLU | nn.ReLU6):
            inside.inplace = True
    return module


def evaluated(module: nn.Module, images: Tensor) -> Tensor:
    """What `module` makes of images (B, C, H, W)."""
    if not isinstance(module, InvertedResidual) or isinstance(module.steps[0], Depthwise):
        return cast(Tensor, module(images))
    convolution, norm, *others = module.steps
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    if not pays(convolution, norm, images):
        return cast(Tensor, module(images))
    state = normed(convolution, norm, images)
    for step in others:
        state = step(state)
    return images + state if module.residual else state
