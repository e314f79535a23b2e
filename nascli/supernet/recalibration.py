"""Batch-norm statistics of one path through a supernet.

Guo et al., Single Path One-Shot Neural Architecture Search, ECCV 2020 (arXiv 1904.00420), 3.3:
statistics gathered over all paths do not fit any single one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from nascli.core.supernet import Mixture, Supernet


def recalibrate(supernet: Supernet, mixture: Mixture, batches: Iterable[Tensor]) -> None:
    """Sets the batch norms' statistics to their mean over `batches` of images (B, C, H, W).

    Those that `mixture` does not reach are reset. The supernet is left in evaluation mode.
    """
    norms = [module for module in supernet.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    supernet.train()
    try:
        for norm in norms:
            norm.reset_running_stats()
        for seen, images in enumerate(batches):
            for norm in norms:
                norm.momentum = 1 / (seen + 1)  # a running mean in which all batches count alike
            with torch.no_grad():
                supernet(images, mixture)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    supernet.eval()


@contextmanager
def preserved(supernet: Supernet) -> Iterator[None]:
    """Puts all buffers and the mode of every module back at the end."""
    before = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
    modes = [(module, module.training) for module in supernet.modules()]
    try:
        yield
    finally:
        for name, buffer in supernet.named_buffers():  # a pass may have put others in their place
            buffer.copy_(before[name])
        for module, mode in modes:
            module.training = mode
