"""Parts of a layer: a smaller module of the same make, lent the first channels of its tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nascli.core.plan import Layer
from nascli.supernet.kernel_transforms import KernelTransforms, middle


class _Pair(NamedTuple):
    """A module inside the part and its counterpart, with the shapes of the part's tensors."""

    part: nn.Module
    whole: nn.Module
    shapes: tuple[tuple[str, str, torch.Size], ...]


class Part:
    """A module whose tensors are the first channels of another one's, and the middle of kernels.

    Args:
        module: the smaller one.
        whole: the larger one, made alike; None if there is nothing to lend.
        transforms: how its depthwise kernels become smaller; None: their middle is taken.
    """

    def __init__(
        self, module: nn.Module, whole: nn.Module | None, transforms: KernelTransforms | None
    ) -> None:
        self.module, self._transforms = module, transforms
        pairs = zip(module.modules(), whole.modules(), strict=True) if whole is not None else ()
        self._pairs = [_Pair(own, other, tuple(_shapes(own))) for own, other in pairs]

    def lend(self) -> None:
        """Gives the module its tensors as they now are, views where possible, and its mode."""
        for part, whole, shapes in self._pairs:
            part.training = whole.training
            if isinstance(whole, _BatchNorm):
                vars(part)["momentum"] = whole.momentum
            for table, name, shape in shapes:
                # Set as torch.func.functional_call does: a parameter here is any tensor.
                getattr(part, table)[name] = self._cut(getattr(whole, table)[name], shape)

    @torch.no_grad()
    def copy(self) -> None:
        """Copies the values into the module's own tensors."""
        for part, whole, shapes in self._pairs:
            for table, name, shape in shapes:
                getattr(part, table)[name].copy_(self._cut(getattr(whole, table)[name], shape))

    def sizes(self) -> Iterator[tuple[Tensor, torch.Size]]:
        """The larger one's tensors, each with the shape that it has here."""
        for _, whole, shapes in self._pairs:
            for table, name, shape in shapes:
                yield getattr(whole, table)[name], shape

    def _cut(self, tensor: Tensor, shape: torch.Size) -> Tensor:
        for dimension, size in enumerate(shape[:2]):
            if size < tensor.shape[dimension]:
                tensor = tensor.narrow(dimension, 0, size)
        if len(shape) < 4 or shape[-1] == tensor.shape[-1]:
            return tensor
        smaller = self._transforms or middle
        return smaller(tensor, shape[-1])


def _shapes(module: nn.Module) -> Iterator[tuple[str, str, torch.Size]]:
    for table in ("_parameters", "_buffers"):
        for name, tensor in getattr(module, table).items():
            if tensor is not None:
                yield table, name, tensor.shape


class Parts(dict[tuple[str, Layer], Part]):
    """Parts that were built, by their place and layer; a copy of a supernet builds its own."""

    def __deepcopy__(self, _memo: object) -> Parts:
        return Parts()
