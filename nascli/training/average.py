"""The exponential average of a network's weights, which often does better than the last ones.

Polyak and Juditsky 1992; with batch norms' statistics averaged likewise, as EfficientNet does (Tan
and Le 2019, arXiv 1905.11946).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of `network` that follows it: after step t, w' += (1 - d) (w - w').

    d is the smaller of `decay` and (1 + t) / (10 + t), so that the first weights are forgotten
    however short the training is. What is no floating-point number is copied.
    """

    def follow(
        average: Sequence[Tensor] | tuple[Tensor, ...],
        current: Sequence[Tensor] | tuple[Tensor, ...],
        steps: Tensor | int,
    ) -> None:
        ours, theirs = list(average), list(current)
        if not torch.is_floating_point(ours[0]):
            torch._foreach_copy_(ours, theirs)
            return
        taken = int(steps)
        share = 1 - min(decay, (1 + taken) / (10 + taken))
        torch._foreach_lerp_(ours, theirs, share)

    return AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
